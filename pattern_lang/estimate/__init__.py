"""Susceptibilities of real networks: sampling, moments, diagnostics, cache.

`estimate` is the way in. Importing this package, and finding an estimate that is there already,
loads no torch. The rooms within, in the order in which an estimate passes them:

- `service`: the whole way on one page. `reporter`: how it speaks. `errors`: several at once.
- Before anything is loaded: `available`, `defaults`, `needs`.
- What was done before: `cache`, `store`, `chain_store`, `record`, `arrays`, `digests`,
  `fingerprints`, `journal`.
- User code: `files`, `scope`, `user_code`, `dependencies`.
- Data: `table`, `columns`, `readers`, `token_rows`, `predicates`, `units`. Networks: `models`,
  `weights`, `network`, `token_losses`, `token_logits`; `kernels`, `attention` and `products` make
  their products fast, `heap` keeps what they free. Both: `entries`, `inputs`. What either has of
  Hugging Face is in the folder of that name.
- What moves, where a component alone does: `selection`, `components`, `transformer`, `layouts`.
  What frozen parameters decide is kept: `known`, `watching`, `prefix`, `heads`, `recall`,
  `recall_rows`.
- What to evaluate, and what observables read off it: `layout`, `probes`, `readout`.
- One chain: `posterior`, `evaluate`, `sharing`, `precision`, `minibatches`, `steps`, `hmc`,
  `segments`, `series`, `stretches`, `moments`, `chain`. Derivatives along it: `pathwise`,
  `members`. Instead of chains, the closed form: `curvature`, `gaussian`; or weighted draws:
  `proposal`, `importance`, `weighted`, `reweighing`.
- Chains that are stopped go on: `checkpoint`, `keeping`, `running`.
- All chains: `sampling`, `crew`, `ranks`, `cost`, `tasks`, `processes`, `jobs`, `worker`.
- What came out: `responses`, `pooling`, `assemble`, `directions`, `mixing`, `diagnostics`,
  `conduct`, `control`, `soundness`, `advice`.
- Before all that, settings that are sound: the folder `calibrate`.
"""

from pattern_lang.estimate.cost import CostEstimate
from pattern_lang.estimate.reporter import Progress, Reporter, SilentReporter
from pattern_lang.estimate.service import estimate, help_estimate, plan_cost

__all__ = [
    "CostEstimate",
    "Progress",
    "Reporter",
    "SilentReporter",
    "estimate",
    "help_estimate",
    "plan_cost",
]

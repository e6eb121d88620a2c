edition 2026

# Published settings, by the model they were published for. Use one setting for all components and
# checkpoints of a study.

## A 3-million-parameter attention-only language model (Baker et al., 2504.18274).
##
## Example: `estimate language_model_3m()`
def language_model_3m(seed: Int = 0) -> Sampler = sgld(
    step: 1e-3, nbeta: 30, localization: 300, batch: 64, chains: 4, draws: 200, seed: seed
)

## Pythia-1.4B, RMSProp-preconditioned, 160 steps between draws.
##
## Example: `estimate pythia_1b4()`
def pythia_1b4(seed: Int = 0) -> Sampler = rmsprop_sgld(
    step: 1e-5,
    nbeta: 10,
    localization: 300,
    batch: 16,
    chains: 4,
    draws: 100,
    thin: 160,
    seed: seed,
)

## A 9-billion-parameter reward model, RMSProp-preconditioned, 30 steps between draws. The number
## of chains and the batch were not published with it.
##
## Example: `estimate reward_model_9b()`
def reward_model_9b(seed: Int = 0) -> Sampler = rmsprop_sgld(
    step: 1e-7,
    nbeta: 300,
    localization: 50000,
    batch: 16,
    chains: 4,
    draws: 100,
    thin: 30,
    seed: seed,
)

## Bracket classifiers of about 150,000 parameters (third party), 800 draws. The number of chains was
## not published with it.
##
## Example: `estimate bracket_model()`
def bracket_model(seed: Int = 0) -> Sampler = sgld(
    step: 6e-6, nbeta: 100, localization: 5000, batch: 256, chains: 4, draws: 800, seed: seed
)

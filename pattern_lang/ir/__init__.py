"""The values that travel between the stages. Frozen, without behaviour beyond small derivations.

`sources` (what to load) → `observables` (what is measured) → `program` (goals on weights) →
`queries` (what to sample) → `susceptibility` (what came back) → `solution` (what was decided).
"""

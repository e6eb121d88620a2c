edition 2026

param dose: Quantity = 1 sd
param layers: List = [1]
param steps: Int[steps] = 3

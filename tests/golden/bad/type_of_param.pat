edition 2026

param dose: Quantity[sd] = 1
param steps: Int = 2.5
param held: Bool = 1
param name: String = 3
param share: Real = 1 sd

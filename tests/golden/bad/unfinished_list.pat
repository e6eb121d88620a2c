edition 2026

param layers: List[Int] = [0, 1, 2
param heads: List[Int] = [0, 1.5]

edition 2026

param layers: List[Int] = [0, 1, 2.5]
param mixed: List[Real] = [1, "two"]

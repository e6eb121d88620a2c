edition 2026

param chosen: List[Int] = [1, 2 3]

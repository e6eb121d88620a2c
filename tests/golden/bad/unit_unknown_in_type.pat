edition 2026

param dose: Quantity[sds] = 1 sd

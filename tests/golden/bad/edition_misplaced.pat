param dose: Quantity[sd] = 1 sd
edition 2026

# with -p does=2 sd
edition 2026

param dose: Quantity[sd] = 1 sd

# with -p dose=2
edition 2026

param dose: Quantity[sd] = 1 sd

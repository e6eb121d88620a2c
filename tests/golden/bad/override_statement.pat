# with -p dose=2 sd param other: Real = 1
edition 2026

param dose: Quantity[sd] = 1 sd

edition 2026

param steps: Integer = 3
param dose: quantity[sd] = 1 sd

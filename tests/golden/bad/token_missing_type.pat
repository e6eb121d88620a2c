edition 2026

param dose: = 1 sd

edition 2026

param sign: Real = −1

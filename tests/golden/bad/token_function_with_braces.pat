edition 2026

def double(x: Real) -> Real { 2 * x }

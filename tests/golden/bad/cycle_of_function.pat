edition 2026

def factorial(n: Real) -> Real = n * factorial(n - 1)

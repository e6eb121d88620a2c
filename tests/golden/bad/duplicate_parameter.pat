edition 2026

def area(side: Real, side: Real) -> Real = side * side

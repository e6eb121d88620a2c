edition 2026

param held: Bool = True

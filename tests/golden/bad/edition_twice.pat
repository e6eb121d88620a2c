edition 2026
edition 2026

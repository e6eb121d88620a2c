edition 2031

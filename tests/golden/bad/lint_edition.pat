param dose: Quantity[sd] = 1 sd

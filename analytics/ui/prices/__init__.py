"""The page Prices: the lists, a new price, and the switch between lists."""

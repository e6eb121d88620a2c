edition 2026

# 数据 stands for the data; columns count characters.
data 数据 = jsonl("数据.jsonl")
data	后来 = 数据	where row.位置 > 三
param größe: Quantity[sd] = "½ sd" + 1 sd

edition 2026

param p0 Real = 0
param p1 Real = 1
param p2 Real = 2
param p3 Real = 3
param p4 Real = 4
param p5 Real = 5
param p6 Real = 6
param p7 Real = 7
param p8 Real = 8
param p9 Real = 9
param p10 Real = 10
param p11 Real = 11
param p12 Real = 12
param p13 Real = 13
param p14 Real = 14
param p15 Real = 15
param p16 Real = 16
param p17 Real = 17
param p18 Real = 18
param p19 Real = 19
param p20 Real = 20
param p21 Real = 21
param p22 Real = 22
param p23 Real = 23
param p24 Real = 24

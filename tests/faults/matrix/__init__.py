"""The fault matrix of failovers: every step and every command of every kind of operation is disturbed once in every way.

    kinds      what is disturbed, and the declared ends
    recording  one clean run of each kind: its steps, and the commands inside each
    cases      what follows from that: the cases
    subset     the part of them that CI runs
    strike     arms, waits for the instant, kills, restarts
    subject    the machine, and what must hold whatever happened
    driver     one case
    campaign   all of them: order, new sites after failures, progress, the report
"""

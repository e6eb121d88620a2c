"""One thread inside BLAS while a program is solved."""

from contextlib import AbstractContextManager

from threadpoolctl import threadpool_limits


def one_thread_each() -> AbstractContextManager[object]:
    """Keep BLAS to one thread.

    Blocks of units are shared out among threads already; more of them inside BLAS would collide
    (a hundred times slower was measured), and change the last bits from one machine to another.
    """
    limits: AbstractContextManager[object] = threadpool_limits(limits=1, user_api="blas")
    return limits

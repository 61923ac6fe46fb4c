# SPDX-License-Identifier: ISC
"""Measure, against others, and say which marks are missed.

    bench.py [P1 …]        all rows, or those
"""

import sys

from frame import show
from rows import ROWS


def main(names):
    figures = []
    for name in names or ROWS:
        for row in ROWS[name]:
            for figure in row():
                figures.append(figure)
                print(f"{figure.row} {figure.what}: {figure.value:.4g}"
                      f" {figure.unit} {figure.note}", flush=True)
    show(figures)


main(sys.argv[1:])

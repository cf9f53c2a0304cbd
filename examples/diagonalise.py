"""The proxy application of runtime studies: eigenvalues of a random symmetric matrix, as a command app (docs/apps.md)."""

import argparse

import numpy

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--size", type=int, required=True, help="rows of the square matrix: 5000 and 12000 in the published experiment")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--out", required=True, help="eigenvalues in ascending order, one a line")
arguments = parser.parse_args()

matrix = numpy.random.default_rng(arguments.seed).standard_normal((arguments.size, arguments.size))
print(f"diagonalising {arguments.size} x {arguments.size}", flush=True)
values = numpy.linalg.eigvalsh((matrix + matrix.T) / 2)
numpy.savetxt(arguments.out, values)
print(f"eigenvalues from {values[0]:.6g} to {values[-1]:.6g}", flush=True)

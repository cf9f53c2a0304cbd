// Second moments of the pixels' curves, for the error of g2.
#pragma once
#include <cstddef>

namespace xpcs {

/// Adds one pixel: with G = g f^2, P = p f, F = f_ f (f the flatfield factor), sums += GG, GP, GF, PP, PF, FF per delay.
/// No operation is fused or reordered, so every instruction set gives the same bits.
/// @param g, p, f [delays]; sums [6, delays]
void spread_sums(const double* g, const double* p, const double* f, std::size_t delays, double factor, double* sums);

}  // namespace xpcs

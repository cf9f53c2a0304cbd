// What one pixel's curve adds to the floating-point sums of its bins, for the errors of g2. No operation is fused or
// reordered, so every instruction set gives the same bits.
#pragma once
#include <cstddef>
#include <cstdint>

namespace xpcs {

/// Sums over pixels, each [delays] but spread [6, delays]: GG, GP, GF, PP, PF, FF.
struct CurveSums {
  double* spread;
  double* pairs;   ///< of G
  double* ratio;   ///< of x = terms G / (P F), pixels without a value as 0
  double* ratio2;  ///< of x^2
};

/// Adds one pixel.
/// @param g, p, f [delays] sums of products, past and future counts; terms [delays]; factor the pixel's flatfield, which multiplies
/// the counts (0: a dead pixel, without a value)
void add_curve(const double* g, const double* p, const double* f, const double* terms, std::size_t delays, double factor, const CurveSums& sums);

}  // namespace xpcs

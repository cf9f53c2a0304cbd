#include "xpcs/moments.hpp"

#include <limits>

namespace xpcs {

BinRatio bin_ratio(double n, double terms, double g, double p, double f, const SpreadSums& spread) {
  BinRatio out;
  out.g2 = n * terms * g / (p * f);
  if (n < 2) {
    out.variance = std::numeric_limits<double>::quiet_NaN();
    return out;
  }
  const double mp = p / n;
  const double mf = f / n;
  // psi = terms G / (mp mf) - g2 (P / mp + F / mf - 1); its mean is 0.
  const double scale = terms / (mp * mf);
  const double uu = scale * scale * spread.gg / n;
  const double uv = scale * (spread.gp / mp + spread.gf / mf) / n - out.g2;
  const double vv = spread.pp / (n * mp * mp) + spread.ff / (n * mf * mf) + 2 * spread.pf / (n * mp * mf) - 3;
  const double square = uu - 2 * out.g2 * uv + out.g2 * out.g2 * vv;
  out.variance = (square < 0 ? 0 : square) / (n - 1);
  return out;
}

}  // namespace xpcs

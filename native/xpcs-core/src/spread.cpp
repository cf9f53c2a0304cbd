#include "spread.hpp"

// Not under ThreadSanitizer: the clones' resolvers would run before it is ready.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__)
#define XPCS_CLONES __attribute__((target_clones("arch=skylake-avx512", "avx2", "default")))
#else
#define XPCS_CLONES
#endif

namespace xpcs {
namespace {

XPCS_CLONES void add_spread(const double* __restrict g, const double* __restrict p, const double* __restrict f, std::size_t delays, double factor,
                            double* __restrict sums) {
  const double squared = factor * factor;
  double* gg = sums;
  double* gp = gg + delays;
  double* gf = gp + delays;
  double* pp = gf + delays;
  double* pf = pp + delays;
  double* ff = pf + delays;
  for (std::size_t d = 0; d < delays; ++d) {
    const double gd = g[d] * squared;
    const double pd = p[d] * factor;
    const double fd = f[d] * factor;
    gg[d] += gd * gd;
    gp[d] += gd * pd;
    gf[d] += gd * fd;
    pp[d] += pd * pd;
    pf[d] += pd * fd;
    ff[d] += fd * fd;
  }
}

XPCS_CLONES void add_ratios(const double* __restrict g, const double* __restrict p, const double* __restrict f, const double* __restrict terms,
                            std::size_t delays, double alive, double* __restrict pairs, double* __restrict ratio, double* __restrict ratio2) {
  for (std::size_t d = 0; d < delays; ++d) {
    const double quotient = alive * terms[d] * g[d] / (p[d] * f[d]);
    // 0/0, and 0 over a product of counts of both signs, are no value.
    const double x = g[d] == 0 || quotient != quotient ? 0.0 : quotient;
    pairs[d] += g[d];
    ratio[d] += x;
    ratio2[d] += x * x;
  }
}

}  // namespace

void add_curve(const double* g, const double* p, const double* f, const double* terms, std::size_t delays, double factor, const CurveSums& sums) {
  add_ratios(g, p, f, terms, delays, factor == 0 ? 0.0 : 1.0, sums.pairs, sums.ratio, sums.ratio2);
  add_spread(g, p, f, delays, factor, sums.spread);
}

}  // namespace xpcs

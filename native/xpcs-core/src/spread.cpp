#include "spread.hpp"

namespace xpcs {

#if defined(__x86_64__) && defined(__GNUC__)
__attribute__((target_clones("avx512f", "avx2", "default")))
#endif
void spread_sums(const double* g, const double* p, const double* f, std::size_t delays, double factor, double* sums) {
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

}  // namespace xpcs

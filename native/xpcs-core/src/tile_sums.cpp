#include "tile_sums.hpp"

#include <cstring>

#include "instruction_sets.hpp"

namespace xpcs {
namespace {

constexpr std::size_t kWidth = kSumLanes;
using Reals = double __attribute__((vector_size(64)));
using Longs = std::int64_t __attribute__((vector_size(64)));
using Words = std::uint32_t __attribute__((vector_size(32)));

inline double add_up(const Reals& v) { return add_lanes(v); }
inline std::int64_t add_up(const Longs& v) { return v[0] + v[1] + v[2] + v[3] + v[4] + v[5] + v[6] + v[7]; }

struct Lanes {
  Longs products{}, past{}, future{};
  Reals realProducts{}, realPast{}, realFuture{};
  Reals gg{}, gp{}, gf{}, pp{}, pf{}, ff{}, ratio{}, ratio2{};
};

/// Numbers of 0 to 2^63 - 1, rounded to nearest. Without an instruction for it: the two halves as the last bits of 2^52 and 2^84.
template <bool kConvert>
__attribute__((always_inline)) inline void to_reals(const Longs& from, Reals& to) {
  if constexpr (kConvert) {
    to = __builtin_convertvector(from, Reals);
  } else {
    const Longs low = (from & 0xFFFFFFFF) | 0x4330000000000000;
    const Longs high = (from >> 32) | 0x4530000000000000;
    Reals lowReal, highReal;
    std::memcpy(&lowReal, &low, sizeof low);
    std::memcpy(&highReal, &high, sizeof high);
    to = (highReal - 0x1p84) + (lowReal - 0x1p52);
  }
}

template <class Lane, class Value>
__attribute__((always_inline)) inline void add_to(Value* at, const Lane& more) {
  Lane sum;
  std::memcpy(&sum, at, sizeof sum);
  sum += more;
  std::memcpy(at, &sum, sizeof sum);
}

/// Eight pixels. Counts are not negative, so where P F is 0 there are no products either: a divisor of next to nothing gives the 0
/// that a pixel without a value counts as, and changes no other quotient.
template <bool kFactor, bool kConvert>
__attribute__((always_inline)) inline void add(Lanes& sums, const CurveRow& row, std::size_t i, const double* factor, const double* alive,
                                                const GroupSums& groups, std::size_t slot) {
  Longs products;
  Words pastWords, fromWords, endWords;
  std::memcpy(&products, row.products + i, sizeof products);
  std::memcpy(&pastWords, row.past + i, sizeof pastWords);
  std::memcpy(&fromWords, row.futureFrom + i, sizeof fromWords);
  std::memcpy(&endWords, row.futureEnd + i, sizeof endWords);
  const Longs past = __builtin_convertvector(pastWords, Longs);
  const Longs future = __builtin_convertvector(endWords - fromWords, Longs);
  sums.products += products;
  sums.past += past;
  sums.future += future;
  Reals g, p, f;
  to_reals<kConvert>(products, g);
  to_reals<kConvert>(past, p);
  to_reals<kConvert>(future, f);
  Reals x = row.terms * g / (p * f + 1e-300);
  if constexpr (kFactor) {
    Reals factors, living;
    std::memcpy(&factors, factor + i, sizeof factors);
    std::memcpy(&living, alive + i, sizeof living);
    x = x * living;
    g = g * (factors * factors);
    p = p * factors;
    f = f * factors;
    sums.realProducts += g;
    sums.realPast += p;
    sums.realFuture += f;
    add_to(groups.real + slot, g);
    add_to(groups.real + groups.slots + slot, p);
    add_to(groups.real + 2 * groups.slots + slot, f);
  } else {
    add_to(groups.whole + slot, products);
    add_to(groups.whole + groups.slots + slot, past);
    add_to(groups.whole + 2 * groups.slots + slot, future);
  }
  sums.ratio += x;
  sums.ratio2 += x * x;
  sums.gg += g * g;
  sums.gp += g * p;
  sums.gf += g * f;
  sums.pp += p * p;
  sums.pf += p * f;
  sums.ff += f * f;
}

template <bool kFactor, bool kConvert>
__attribute__((always_inline)) inline void add_all(const CurveRow& row, std::size_t n, const double* factor, const double* alive, const GroupSums& groups, Lanes& out) {
  Lanes sums;
  const std::size_t whole = n / kWidth * kWidth;
  for (std::size_t i = 0; i < whole; i += kWidth) add<kFactor, kConvert>(sums, row, i, factor, alive, groups, i & (groups.slots - 1));
  if (whole < n) {
    std::int64_t products[kWidth] = {};
    std::uint32_t past[kWidth] = {}, from[kWidth] = {}, end[kWidth] = {};
    double factors[kWidth] = {}, living[kWidth] = {};
    for (std::size_t i = whole; i < n; ++i) {
      products[i - whole] = row.products[i];
      past[i - whole] = row.past[i];
      from[i - whole] = row.futureFrom[i];
      end[i - whole] = row.futureEnd[i];
      if constexpr (kFactor) {
        factors[i - whole] = factor[i];
        living[i - whole] = alive[i];
      }
    }
    add<kFactor, kConvert>(sums, {products, past, from, end, row.terms}, 0, factors, living, groups, whole & (groups.slots - 1));
  }
  out = sums;
}

template <bool kConvert>
__attribute__((always_inline)) inline void add_either(const CurveRow& row, std::size_t n, const double* factor, const double* alive, const GroupSums& groups, Lanes& out) {
  if (factor != nullptr) add_all<true, kConvert>(row, n, factor, alive, groups, out);
  else add_all<false, kConvert>(row, n, nullptr, nullptr, groups, out);
}

using AddRow = void (*)(const CurveRow& row, std::size_t n, const double* factor, const double* alive, const GroupSums& groups, Lanes& out);

void add_portable(const CurveRow& row, std::size_t n, const double* factor, const double* alive, const GroupSums& groups, Lanes& out) { add_either<false>(row, n, factor, alive, groups, out); }
#if defined(__x86_64__)
__attribute__((target("avx2"))) void add_avx2(const CurveRow& row, std::size_t n, const double* factor, const double* alive, const GroupSums& groups, Lanes& out) {
  add_either<false>(row, n, factor, alive, groups, out);
}
__attribute__((target("avx512f,avx512dq,avx512vl"))) void add_avx512(const CurveRow& row, std::size_t n, const double* factor, const double* alive, const GroupSums& groups, Lanes& out) {
  add_either<true>(row, n, factor, alive, groups, out);
}
#endif

AddRow add_row_named(const char* name) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (std::strcmp(name, "avx512") == 0 && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) return add_avx512;
  if (std::strcmp(name, "avx2") == 0 && __builtin_cpu_supports("avx2")) return add_avx2;
#endif
  return std::strcmp(name, "portable") == 0 ? add_portable : nullptr;
}

RowSums add_up_lanes(const Lanes& sums) {
  RowSums out;
  out.products = add_up(sums.products);
  out.past = add_up(sums.past);
  out.future = add_up(sums.future);
  out.realProducts = add_up(sums.realProducts);
  out.realPast = add_up(sums.realPast);
  out.realFuture = add_up(sums.realFuture);
  out.gg = add_up(sums.gg);
  out.gp = add_up(sums.gp);
  out.gf = add_up(sums.gf);
  out.pp = add_up(sums.pp);
  out.pf = add_up(sums.pf);
  out.ff = add_up(sums.ff);
  out.pairs = static_cast<double>(out.products);
  out.ratio = add_up(sums.ratio);
  out.ratio2 = add_up(sums.ratio2);
  return out;
}

}  // namespace

RowSums sum_row(const CurveRow& row, std::size_t n, const double* factor, const double* alive, const GroupSums& groups) {
  static const AddRow chosen = fastest(add_row_named);
  Lanes sums;
  chosen(row, n, factor, alive, groups, sums);
  return add_up_lanes(sums);
}

std::optional<RowSums> sum_row_by(const char* name, const CurveRow& row, std::size_t n, const double* factor, const double* alive, const GroupSums& groups) {
  const AddRow named = add_row_named(name);
  if (named == nullptr) return std::nullopt;
  Lanes sums;
  named(row, n, factor, alive, groups, sums);
  return add_up_lanes(sums);
}

}  // namespace xpcs

#include "tile_sums.hpp"

#include <algorithm>
#include <cstring>

#include "instruction_sets.hpp"
#include "vector_intrinsics.hpp"

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
__attribute__((always_inline)) inline void add_at(Value* at, const Lane& more) {
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
  to_reals<kConvert>(past, p);
  to_reals<kConvert>(future, f);
  to_reals<kConvert>(products, g);
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
    add_at(groups.real + slot, g);
    add_at(groups.real + groups.slots + slot, p);
    add_at(groups.real + 2 * groups.slots + slot, f);
  } else {
    add_at(groups.whole + slot, products);
    add_at(groups.whole + groups.slots + slot, past);
    add_at(groups.whole + 2 * groups.slots + slot, future);
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

#if defined(__x86_64__)
/// x and its square of eight pixels.
__attribute__((target("avx512f,avx512dq,avx512vl"), always_inline)) inline void add_ratios(Lanes& sums, __m512i products, __m256i past, __m256i future, double terms) {
  const __m512d counts = _mm512_mul_pd(_mm512_cvtepi32_pd(past), _mm512_cvtepi32_pd(future));
  const __m512d x = _mm512_div_pd(_mm512_mul_pd(_mm512_set1_pd(terms), _mm512_cvtepi64_pd(products)), _mm512_add_pd(counts, _mm512_set1_pd(1e-300)));
  sums.ratio = _mm512_add_pd(sums.ratio, x);
  sums.ratio2 = _mm512_add_pd(sums.ratio2, _mm512_mul_pd(x, x));
}

/// Rows of small numbers, without a flatfield: 32 pixels at a time as words of 16 bits. Their sums are exact in 32 bits, so they are those of
/// the real numbers. A group's counts, and those of 32 groups where there are fewer, fit 16 bits. @param out zeros
__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw"))) void add_small_avx512(const CurveRow& row, std::size_t n, const GroupSums& groups, Lanes& out) {
  alignas(64) static constexpr std::uint16_t kEven[32] = {0,  2,  4,  6,  8,  10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30,
                                                          32, 34, 36, 38, 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, 60, 62};
  alignas(64) static constexpr std::uint32_t kEvenWords[16] = {0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30};
  const __m512i even16 = _mm512_load_si512(kEven);
  const __m512i even32 = _mm512_load_si512(kEvenWords);
  constexpr std::size_t kWords = 32;
  const std::size_t kept = std::max(groups.slots, kWords);
  alignas(64) std::uint16_t kinds[3][kSlotsMax];  // products, past and future of the groups
  for (auto& kind : kinds) std::fill_n(kind, kept, std::uint16_t{0});
  const auto add_kind = [&](std::size_t kind, std::size_t i, __m512i words) __attribute__((target("avx512f,avx512bw"), always_inline)) {
    std::uint16_t* const at = kinds[kind] + (i & (kept - 1));
    _mm512_store_si512(at, _mm512_add_epi16(_mm512_load_si512(at), words));
  };
  __m512i gg = _mm512_setzero_si512(), gp = gg, gf = gg, pp = gg, pf = gg, ff = gg;
  const auto add_to = [](__m512i& sum, __m512i a, __m512i b) __attribute__((target("avx512f,avx512bw"), always_inline)) {
    sum = _mm512_add_epi32(sum, _mm512_madd_epi16(a, b));
  };
  for (std::size_t i = 0; i < n; i += 32) {
    const std::uint32_t here = n - i >= 32 ? 0xFFFFFFFF : (1U << (n - i)) - 1;
    __m512i wide[4];
    for (std::size_t k = 0; k < 4; ++k) wide[k] = _mm512_maskz_loadu_epi64(static_cast<__mmask8>(here >> (8 * k)), row.products + i + 8 * k);
    const auto load = [&](const std::uint32_t* from) __attribute__((target("avx512f,avx512bw"), always_inline)) {
      const __m512i low = _mm512_maskz_loadu_epi32(static_cast<__mmask16>(here), from + i);
      const __m512i high = _mm512_maskz_loadu_epi32(static_cast<__mmask16>(here >> 16), from + i + 16);
      return _mm512_permutex2var_epi16(low, even16, high);
    };
    const __m512i p = load(row.past);
    const __m512i f = _mm512_sub_epi16(load(row.futureEnd), load(row.futureFrom));
    add_kind(1, i, p);
    add_kind(2, i, f);
    add_to(pp, p, p);
    add_to(pf, p, f);
    add_to(ff, f, f);
    const __m512i g = _mm512_permutex2var_epi16(_mm512_permutex2var_epi32(wide[0], even32, wide[1]), even16, _mm512_permutex2var_epi32(wide[2], even32, wide[3]));
    const std::uint32_t some = _mm512_test_epi16_mask(g, g);
    if (some == 0) continue;
    add_kind(0, i, g);
    add_to(gg, g, g);
    add_to(gp, g, p);
    add_to(gf, g, f);
    alignas(64) std::uint16_t pasts[32], futures[32];
    _mm512_store_si512(pasts, p);
    _mm512_store_si512(futures, f);
    for (std::size_t k = 0; k < 4; ++k) {
      if ((some >> (8 * k) & 0xFF) == 0) continue;
      const auto of = [&](const std::uint16_t* words) __attribute__((target("avx512f,avx512vl"), always_inline)) {
        return _mm256_cvtepu16_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(words + 8 * k)));
      };
      add_ratios(out, wide[k], of(pasts), of(futures), row.terms);
    }
  }
  Longs* const totals[3] = {&out.products, &out.past, &out.future};
  for (std::size_t kind = 0; kind < 3; ++kind) {
    for (std::size_t slot = 0; slot < kept; slot += kWidth) {
      Longs counts;
      const __m512i wide = _mm512_cvtepu16_epi64(_mm_load_si128(reinterpret_cast<const __m128i*>(kinds[kind] + slot)));
      std::memcpy(&counts, &wide, sizeof counts);
      *totals[kind] += counts;
      add_at(groups.whole + kind * groups.slots + (slot & (groups.slots - 1)), counts);
    }
  }
  const auto total = [](const __m512i& v) __attribute__((target("avx512f"), always_inline)) {
    std::int32_t lanes[16];
    _mm512_storeu_si512(lanes, v);
    std::int64_t sum = 0;
    for (const std::int32_t lane : lanes) sum += lane;
    return static_cast<double>(sum);
  };
  out.gg[0] = total(gg);
  out.gp[0] = total(gp);
  out.gf[0] = total(gf);
  out.pp[0] = total(pp);
  out.pf[0] = total(pf);
  out.ff[0] = total(ff);
}
#endif

using AddRow = void (*)(const CurveRow& row, std::size_t n, const double* factor, const double* alive, const GroupSums& groups, Lanes& out);

void add_portable(const CurveRow& row, std::size_t n, const double* factor, const double* alive, const GroupSums& groups, Lanes& out) { add_either<false>(row, n, factor, alive, groups, out); }
#if defined(__x86_64__)
__attribute__((target("avx2"))) void add_avx2(const CurveRow& row, std::size_t n, const double* factor, const double* alive, const GroupSums& groups, Lanes& out) {
  add_either<false>(row, n, factor, alive, groups, out);
}
__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw"))) void add_avx512(const CurveRow& row, std::size_t n, const double* factor, const double* alive, const GroupSums& groups, Lanes& out) {
  if (row.small && factor == nullptr) add_small_avx512(row, n, groups, out);
  else add_either<true>(row, n, factor, alive, groups, out);
}
#endif

AddRow add_row_named(const char* name) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (std::strcmp(name, "avx512") == 0 && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw")) return add_avx512;
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

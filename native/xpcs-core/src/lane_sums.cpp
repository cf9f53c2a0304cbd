#include "lane_sums.hpp"

#include <algorithm>
#include <cstring>

#include "instruction_sets.hpp"
#include "vector_intrinsics.hpp"

#if defined(__aarch64__)
#include "arm_cpu.hpp"
#endif

namespace xpcs {
namespace {

// Element j of pixel p lies at rows[(j / perRow) * 16 * perRow + p * perRow + j % perRow]; j may be negative.
template <class Element, std::ptrdiff_t perRow>
void sums_portable(const Element* rows, std::size_t n, std::size_t firstLag, std::size_t lags, const LaneOut& out) {
  const auto at = [](std::ptrdiff_t j, std::ptrdiff_t p) {
    const std::ptrdiff_t row = j >= 0 ? j / perRow : -((perRow - 1 - j) / perRow);
    return row * std::ptrdiff_t{kLanes} * perRow + p * perRow + (j - row * perRow);
  };
  for (std::size_t i = 0; i < lags; ++i) {
    const auto lag = static_cast<std::ptrdiff_t>(firstLag + i);
    for (std::ptrdiff_t j = 0; j < static_cast<std::ptrdiff_t>(n) * perRow; ++j) {
      for (std::ptrdiff_t p = 0; p < std::ptrdiff_t{kLanes}; ++p) out[i][p] += std::int64_t{rows[at(j, p)]} * rows[at(j - lag, p)];
    }
  }
}

void bytes_portable(const std::uint8_t* rows, std::size_t n, std::size_t quad, const LaneOut& out) {
  sums_portable<std::uint8_t, 4>(rows, n, 4 * quad + 1, 4, out);
}
void words_portable(const std::uint16_t* rows, std::size_t n, std::size_t pair, const LaneOut& out) {
  sums_portable<std::uint16_t, 2>(rows, n, 2 * pair + 1, 2, out);
}

template <class From, class To, std::size_t fromPerRow, std::size_t toPerRow>
std::uint32_t halve_portable(const From* rows, std::size_t n, To* out) {
  std::uint32_t most = 0;
  for (std::size_t j = 0; j < n * fromPerRow / 2; ++j) {
    const From* from = rows + 2 * j / fromPerRow * kLanes * fromPerRow + 2 * j % fromPerRow;
    To* to = out + j / toPerRow * kLanes * toPerRow + j % toPerRow;
    for (std::size_t p = 0; p < kLanes; ++p) {
      const std::uint32_t sum = std::uint32_t{from[p * fromPerRow]} + std::uint32_t{from[p * fromPerRow + 1]};
      most = std::max(most, sum);
      to[p * toPerRow] = static_cast<To>(sum);
    }
  }
  return most;
}

void totals_portable(const std::uint8_t* rows, std::size_t n, std::uint32_t mask, std::uint32_t* total) {
  for (std::size_t r = 0; r < n; ++r) {
    for (std::size_t p = 0; p < kLanes; ++p) {
      for (std::size_t b = 0; b < kBytesPerRow; ++b) {
        if ((mask >> (8 * b) & 0xFF) != 0) total[p] += rows[r * kRowBytes + p * kBytesPerRow + b];
      }
    }
  }
}

constexpr LaneSums kPortable{"portable",
                             bytes_portable,
                             words_portable,
                             halve_portable<std::uint8_t, std::uint8_t, 4, 4>,
                             halve_portable<std::uint8_t, std::uint16_t, 4, 2>,
                             halve_portable<std::uint16_t, std::uint16_t, 2, 2>,
                             totals_portable};

#if defined(__x86_64__)

#define XPCS_AVX2 __attribute__((target("avx2")))

XPCS_AVX2 inline __m256i load256(const void* at) { return _mm256_loadu_si256(static_cast<const __m256i*>(at)); }
XPCS_AVX2 inline void store256(void* at, __m256i v) { _mm256_storeu_si256(static_cast<__m256i*>(at), v); }
XPCS_AVX2 inline __m256i dot_bytes(__m256i sum, __m256i x, __m256i y) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(x, y), _mm256_set1_epi16(1)));
}
/// The blocks `bits / 8` earlier: of the newer row, filled up from the older one.
template <int bits>
XPCS_AVX2 inline __m256i earlier(__m256i newer, __m256i older) {
  return _mm256_or_si256(_mm256_slli_epi32(newer, bits), _mm256_srli_epi32(older, 32 - bits));
}
XPCS_AVX2 inline void add_lanes(std::int64_t* out, __m256i sum) {
  store256(out, _mm256_add_epi64(load256(out), _mm256_cvtepi32_epi64(_mm256_castsi256_si128(sum))));
  store256(out + 4, _mm256_add_epi64(load256(out + 4), _mm256_cvtepi32_epi64(_mm256_extracti128_si256(sum, 1))));
}

XPCS_AVX2 void bytes_avx2(const std::uint8_t* rows, std::size_t n, std::size_t quad, const LaneOut& out) {
  for (std::size_t half = 0; half < 2; ++half) {
    const std::uint8_t* x = rows + 32 * half;
    const std::uint8_t* y = x - kRowBytes * quad;
    __m256i s1 = _mm256_setzero_si256();
    __m256i s2 = s1;
    __m256i s3 = s1;
    __m256i s4 = s1;
    __m256i older = load256(y - kRowBytes);
    for (std::size_t r = 0; r < n; ++r) {
      const __m256i now = load256(x + kRowBytes * r);
      const __m256i newer = load256(y + kRowBytes * r);
      s1 = dot_bytes(s1, now, earlier<8>(newer, older));
      s2 = dot_bytes(s2, now, earlier<16>(newer, older));
      s3 = dot_bytes(s3, now, earlier<24>(newer, older));
      s4 = dot_bytes(s4, now, older);
      older = newer;
    }
    add_lanes(out[0] + 8 * half, s1);
    add_lanes(out[1] + 8 * half, s2);
    add_lanes(out[2] + 8 * half, s3);
    add_lanes(out[3] + 8 * half, s4);
  }
}

XPCS_AVX2 void words_avx2(const std::uint16_t* rows, std::size_t n, std::size_t pair, const LaneOut& out) {
  for (std::size_t half = 0; half < 2; ++half) {
    const std::uint16_t* x = rows + 16 * half;
    const std::uint16_t* y = x - 32 * pair;
    __m256i s1 = _mm256_setzero_si256();
    __m256i s2 = s1;
    __m256i older = load256(y - 32);
    for (std::size_t r = 0; r < n; ++r) {
      const __m256i now = load256(x + 32 * r);
      const __m256i newer = load256(y + 32 * r);
      s1 = _mm256_add_epi32(s1, _mm256_madd_epi16(now, earlier<16>(newer, older)));
      s2 = _mm256_add_epi32(s2, _mm256_madd_epi16(now, older));
      older = newer;
    }
    add_lanes(out[0] + 8 * half, s1);
    add_lanes(out[1] + 8 * half, s2);
  }
}

XPCS_AVX2 std::uint32_t largest_word(__m256i most) {
  alignas(32) std::uint16_t lanes[16];
  store256(lanes, most);
  return *std::max_element(lanes, lanes + 16);
}

XPCS_AVX2 std::uint32_t halve_bytes_avx2(const std::uint8_t* rows, std::size_t n, std::uint8_t* out) {
  const __m256i ones = _mm256_set1_epi8(1);
  const __m256i low = _mm256_set1_epi32(0xFFFF);
  __m256i most = _mm256_setzero_si256();
  for (std::size_t r = 0; r < n; r += 2) {
    for (std::size_t half = 0; half < 64; half += 32) {
      const __m256i a = _mm256_maddubs_epi16(load256(rows + kRowBytes * r + half), ones);
      const __m256i b = _mm256_maddubs_epi16(load256(rows + kRowBytes * (r + 1) + half), ones);
      most = _mm256_max_epu16(most, _mm256_max_epu16(a, b));
      const __m256i first = _mm256_and_si256(_mm256_or_si256(a, _mm256_srli_epi32(a, 8)), low);
      const __m256i second = _mm256_slli_epi32(_mm256_or_si256(b, _mm256_srli_epi32(b, 8)), 16);
      store256(out + kRowBytes * (r / 2) + half, _mm256_or_si256(first, second));
    }
  }
  return largest_word(most);
}

XPCS_AVX2 std::uint32_t halve_to_words_avx2(const std::uint8_t* rows, std::size_t n, std::uint16_t* out) {
  const __m256i ones = _mm256_set1_epi8(1);
  __m256i most = _mm256_setzero_si256();
  for (std::size_t at = 0; at < n * kRowBytes; at += 32) {
    const __m256i a = _mm256_maddubs_epi16(load256(rows + at), ones);
    most = _mm256_max_epu16(most, a);
    store256(out + at / 2, a);
  }
  return largest_word(most);
}

XPCS_AVX2 std::uint32_t halve_words_avx2(const std::uint16_t* rows, std::size_t n, std::uint16_t* out) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i most = _mm256_setzero_si256();
  for (std::size_t r = 0; r < n; r += 2) {
    for (std::size_t half = 0; half < 32; half += 16) {
      const __m256i a = _mm256_madd_epi16(load256(rows + 32 * r + half), ones);
      const __m256i b = _mm256_madd_epi16(load256(rows + 32 * (r + 1) + half), ones);
      const __m256i both = _mm256_or_si256(a, _mm256_slli_epi32(b, 16));
      most = _mm256_max_epu16(most, both);
      store256(out + 32 * (r / 2) + half, both);
    }
  }
  return largest_word(most);
}

XPCS_AVX2 void totals_avx2(const std::uint8_t* rows, std::size_t n, std::uint32_t mask, std::uint32_t* total) {
  const __m256i wanted = _mm256_and_si256(_mm256_set1_epi32(static_cast<int>(mask)), _mm256_set1_epi8(1));
  for (std::size_t half = 0; half < 2; ++half) {
    __m256i sum = load256(total + 8 * half);
    for (std::size_t r = 0; r < n; ++r) sum = dot_bytes(sum, load256(rows + kRowBytes * r + 32 * half), wanted);
    store256(total + 8 * half, sum);
  }
}

#define XPCS_AVX512 __attribute__((target("avx2,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi2")))

XPCS_AVX512 inline void add_lanes512(std::int64_t* out, __m512i sum) {
  _mm512_storeu_si512(out, _mm512_add_epi64(_mm512_loadu_si512(out), _mm512_cvtepi32_epi64(_mm512_castsi512_si256(sum))));
  _mm512_storeu_si512(out + 8, _mm512_add_epi64(_mm512_loadu_si512(out + 8), _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(sum, 1))));
}

XPCS_AVX512 void bytes_avx512(const std::uint8_t* x, std::size_t n, std::size_t quad, const LaneOut& out) {
  const std::uint8_t* y = x - kRowBytes * quad;
  __m512i s1 = _mm512_setzero_si512();
  __m512i s2 = s1;
  __m512i s3 = s1;
  __m512i s4 = s1;
  __m512i older = _mm512_loadu_si512(y - kRowBytes);
  for (std::size_t r = 0; r < n; ++r) {
    const __m512i now = _mm512_loadu_si512(x + kRowBytes * r);
    const __m512i newer = _mm512_loadu_si512(y + kRowBytes * r);
    s1 = _mm512_dpbusd_epi32(s1, now, _mm512_shldi_epi32(newer, older, 8));
    s2 = _mm512_dpbusd_epi32(s2, now, _mm512_shldi_epi32(newer, older, 16));
    s3 = _mm512_dpbusd_epi32(s3, now, _mm512_shldi_epi32(newer, older, 24));
    s4 = _mm512_dpbusd_epi32(s4, now, older);
    older = newer;
  }
  add_lanes512(out[0], s1);
  add_lanes512(out[1], s2);
  add_lanes512(out[2], s3);
  add_lanes512(out[3], s4);
}

XPCS_AVX512 void words_avx512(const std::uint16_t* x, std::size_t n, std::size_t pair, const LaneOut& out) {
  const std::uint16_t* y = x - 32 * pair;
  __m512i s1 = _mm512_setzero_si512();
  __m512i s2 = s1;
  __m512i older = _mm512_loadu_si512(y - 32);
  for (std::size_t r = 0; r < n; ++r) {
    const __m512i now = _mm512_loadu_si512(x + 32 * r);
    const __m512i newer = _mm512_loadu_si512(y + 32 * r);
    s1 = _mm512_dpwssd_epi32(s1, now, _mm512_shldi_epi32(newer, older, 16));
    s2 = _mm512_dpwssd_epi32(s2, now, older);
    older = newer;
  }
  add_lanes512(out[0], s1);
  add_lanes512(out[1], s2);
}

constexpr LaneSums kAvx2{"avx2", bytes_avx2, words_avx2, halve_bytes_avx2, halve_to_words_avx2, halve_words_avx2, totals_avx2};
// Halving moves as many bytes as it adds: wider registers gain nothing.
constexpr LaneSums kAvx512{"avx512", bytes_avx512, words_avx512, halve_bytes_avx2, halve_to_words_avx2, halve_words_avx2, totals_avx2};

#elif defined(__aarch64__)

constexpr std::size_t kPart = 16;  // bytes of a register: four of the sixteen pixels

/// The blocks `bits / 8` earlier: of the newer row, filled up from the older one.
template <int bits>
inline uint8x16_t earlier(uint8x16_t newer, uint8x16_t older) {
  return vreinterpretq_u8_u32(vsliq_n_u32(vshrq_n_u32(vreinterpretq_u32_u8(older), 32 - bits), vreinterpretq_u32_u8(newer), bits));
}
inline void add_lanes(std::int64_t* out, uint32x4_t sum) {
  vst1q_s64(out, vaddq_s64(vld1q_s64(out), vreinterpretq_s64_u64(vmovl_u32(vget_low_u32(sum)))));
  vst1q_s64(out + 2, vaddq_s64(vld1q_s64(out + 2), vreinterpretq_s64_u64(vmovl_high_u32(sum))));
}
inline uint32x4_t dot_bytes(uint32x4_t sum, uint8x16_t x, uint8x16_t y) {
  return vpadalq_u16(sum, vpaddq_u16(vmull_u8(vget_low_u8(x), vget_low_u8(y)), vmull_high_u8(x, y)));
}
XPCS_DOTPROD inline uint32x4_t dot_bytes_dotprod(uint32x4_t sum, uint8x16_t x, uint8x16_t y) { return vdotq_u32(sum, x, y); }

// One text, two instruction sets: a function of the second cannot be inlined into a template of the first.
#define XPCS_LANE_BYTES(name, dot)                                                                   \
  void name(const std::uint8_t* rows, std::size_t n, std::size_t quad, const LaneOut& out) {         \
    for (std::size_t part = 0; part < kRowBytes; part += kPart) {                                    \
      const std::uint8_t* x = rows + part;                                                           \
      const std::uint8_t* y = x - kRowBytes * quad;                                                  \
      uint32x4_t s1 = vdupq_n_u32(0), s2 = s1, s3 = s1, s4 = s1;                                     \
      uint8x16_t older = vld1q_u8(y - kRowBytes);                                                    \
      for (std::size_t r = 0; r < n; ++r) {                                                          \
        const uint8x16_t now = vld1q_u8(x + kRowBytes * r);                                          \
        const uint8x16_t newer = vld1q_u8(y + kRowBytes * r);                                        \
        s1 = dot(s1, now, earlier<8>(newer, older));                                                 \
        s2 = dot(s2, now, earlier<16>(newer, older));                                                \
        s3 = dot(s3, now, earlier<24>(newer, older));                                                \
        s4 = dot(s4, now, older);                                                                    \
        older = newer;                                                                               \
      }                                                                                              \
      add_lanes(out[0] + part / 4, s1);                                                              \
      add_lanes(out[1] + part / 4, s2);                                                              \
      add_lanes(out[2] + part / 4, s3);                                                              \
      add_lanes(out[3] + part / 4, s4);                                                              \
    }                                                                                                \
  }
XPCS_LANE_BYTES(bytes_neon, dot_bytes)
XPCS_DOTPROD XPCS_LANE_BYTES(bytes_dotprod, dot_bytes_dotprod)
#undef XPCS_LANE_BYTES

inline uint32x4_t dot_words(uint32x4_t sum, uint16x8_t x, uint16x8_t y) {
  return vaddq_u32(sum, vpaddq_u32(vmull_u16(vget_low_u16(x), vget_low_u16(y)), vmull_high_u16(x, y)));
}

void words_neon(const std::uint16_t* rows, std::size_t n, std::size_t pair, const LaneOut& out) {
  for (std::size_t part = 0; part < 32; part += 8) {
    const std::uint16_t* x = rows + part;
    const std::uint16_t* y = x - 32 * pair;
    uint32x4_t s1 = vdupq_n_u32(0), s2 = s1;
    uint16x8_t older = vld1q_u16(y - 32);
    for (std::size_t r = 0; r < n; ++r) {
      const uint16x8_t now = vld1q_u16(x + 32 * r);
      const uint16x8_t newer = vld1q_u16(y + 32 * r);
      s1 = dot_words(s1, now, vreinterpretq_u16_u8(earlier<16>(vreinterpretq_u8_u16(newer), vreinterpretq_u8_u16(older))));
      s2 = dot_words(s2, now, older);
      older = newer;
    }
    add_lanes(out[0] + part / 2, s1);
    add_lanes(out[1] + part / 2, s2);
  }
}

std::uint32_t halve_bytes_neon(const std::uint8_t* rows, std::size_t n, std::uint8_t* out) {
  uint16x8_t most = vdupq_n_u16(0);
  for (std::size_t r = 0; r < n; r += 2) {
    for (std::size_t part = 0; part < kRowBytes; part += kPart) {
      const uint16x8_t a = vpaddlq_u8(vld1q_u8(rows + kRowBytes * r + part));
      const uint16x8_t b = vpaddlq_u8(vld1q_u8(rows + kRowBytes * (r + 1) + part));
      most = vmaxq_u16(most, vmaxq_u16(a, b));
      const uint16x4x2_t both = vzip_u16(vreinterpret_u16_u8(vmovn_u16(a)), vreinterpret_u16_u8(vmovn_u16(b)));
      vst1q_u8(out + kRowBytes * (r / 2) + part, vreinterpretq_u8_u16(vcombine_u16(both.val[0], both.val[1])));
    }
  }
  return vmaxvq_u16(most);
}

std::uint32_t halve_to_words_neon(const std::uint8_t* rows, std::size_t n, std::uint16_t* out) {
  uint16x8_t most = vdupq_n_u16(0);
  for (std::size_t at = 0; at < n * kRowBytes; at += kPart) {
    const uint16x8_t a = vpaddlq_u8(vld1q_u8(rows + at));
    most = vmaxq_u16(most, a);
    vst1q_u16(out + at / 2, a);
  }
  return vmaxvq_u16(most);
}

std::uint32_t halve_words_neon(const std::uint16_t* rows, std::size_t n, std::uint16_t* out) {
  uint16x8_t most = vdupq_n_u16(0);
  for (std::size_t r = 0; r < n; r += 2) {
    for (std::size_t part = 0; part < 32; part += 8) {
      const uint32x4_t a = vpaddlq_u16(vld1q_u16(rows + 32 * r + part));
      const uint32x4_t b = vpaddlq_u16(vld1q_u16(rows + 32 * (r + 1) + part));
      const uint16x8_t both = vreinterpretq_u16_u32(vsliq_n_u32(a, b, 16));
      most = vmaxq_u16(most, both);
      vst1q_u16(out + 32 * (r / 2) + part, both);
    }
  }
  return vmaxvq_u16(most);
}

void totals_neon(const std::uint8_t* rows, std::size_t n, std::uint32_t mask, std::uint32_t* total) {
  const uint8x16_t wanted = vreinterpretq_u8_u32(vdupq_n_u32(mask));
  for (std::size_t part = 0; part < kRowBytes; part += kPart) {
    uint32x4_t sum = vld1q_u32(total + part / 4);
    for (std::size_t r = 0; r < n; ++r) sum = vpadalq_u16(sum, vpaddlq_u8(vandq_u8(vld1q_u8(rows + kRowBytes * r + part), wanted)));
    vst1q_u32(total + part / 4, sum);
  }
}

constexpr LaneSums kNeon{"neon", bytes_neon, words_neon, halve_bytes_neon, halve_to_words_neon, halve_words_neon, totals_neon};
constexpr LaneSums kDotprod{"neon-dotprod", bytes_dotprod, words_neon, halve_bytes_neon, halve_to_words_neon, halve_words_neon, totals_neon};

#endif

}  // namespace

const LaneSums* lane_sums_named(const char* name) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx512 = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi2");
  if (std::strcmp(name, "avx512") == 0 && avx512) return &kAvx512;
  if (std::strcmp(name, "avx2") == 0 && __builtin_cpu_supports("avx2")) return &kAvx2;
#elif defined(__aarch64__)
  if (std::strcmp(name, "neon-dotprod") == 0 && has_dot_products()) return &kDotprod;
  if (std::strcmp(name, "neon") == 0) return &kNeon;
#endif
  return std::strcmp(name, "portable") == 0 ? &kPortable : nullptr;
}

const LaneSums& lane_sums() {
  static const LaneSums& chosen = *fastest(lane_sums_named);
  return chosen;
}

}  // namespace xpcs

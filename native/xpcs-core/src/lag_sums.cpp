#include "lag_sums.hpp"

#include <cstring>

#include "instruction_sets.hpp"
#include "vector_intrinsics.hpp"

namespace xpcs {
namespace {

template <class Element>
void portable(const Element* a, std::size_t n, std::size_t first, std::size_t lags, std::int64_t* out) {
  for (std::size_t j = 0; j < lags; ++j) {
    const Element* b = a + first + j;
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += std::int64_t{a[i]} * b[i];
    out[j] += sum;
  }
}

template <class From, class To>
std::int32_t halve_portable(const From* a, To* out, std::size_t n) {
  std::int32_t most = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const std::int32_t sum = std::int32_t{a[2 * i]} + std::int32_t{a[2 * i + 1]};
    out[i] = static_cast<To>(sum);
    most = most > sum ? most : sum;
    most = most > -sum ? most : -sum;
  }
  return most;
}

constexpr LagSums kPortable{"portable",
                            portable<std::uint8_t>,
                            portable<std::int16_t>,
                            halve_portable<std::uint8_t, std::uint8_t>,
                            halve_portable<std::uint8_t, std::int16_t>,
                            halve_portable<std::int16_t, std::int16_t>};

#if defined(__x86_64__)

// A 32-bit lane of the byte kernels grows by at most 4 * 127^2 a step; a block of this many steps cannot overflow it.
constexpr std::size_t kByteSteps = 16384;
// For words the bound of the header leaves each lane below 2^31 after n / 16 steps of two products each.

__attribute__((target("avx2"))) std::int64_t reduce256(__m256i v) {
  const __m256i wide = _mm256_add_epi64(_mm256_cvtepi32_epi64(_mm256_castsi256_si128(v)), _mm256_cvtepi32_epi64(_mm256_extracti128_si256(v, 1)));
  const __m128i half = _mm_add_epi64(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
  return _mm_cvtsi128_si64(half) + _mm_extract_epi64(half, 1);
}

__attribute__((target("avx2"))) void bytes_avx2(const std::uint8_t* a, std::size_t n, std::size_t first, std::size_t lags, std::int64_t* out) {
  const __m256i ones = _mm256_set1_epi16(1);
  for (std::size_t j = 0; j < lags; ++j) {
    const std::uint8_t* b = a + first + j;
    for (std::size_t from = 0; from < n; from += 32 * kByteSteps) {
      const std::size_t to = n - from < 32 * kByteSteps ? n : from + 32 * kByteSteps;
      __m256i sum = _mm256_setzero_si256();
      for (std::size_t i = from; i < to; i += 32) {
        const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + i));
        const __m256i y = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b + i));
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(x, y), ones));
      }
      out[j] += reduce256(sum);
    }
  }
}

__attribute__((target("avx2"))) void words_avx2(const std::int16_t* a, std::size_t n, std::size_t first, std::size_t lags, std::int64_t* out) {
  for (std::size_t j = 0; j < lags; ++j) {
    const std::int16_t* b = a + first + j;
    __m256i sum = _mm256_setzero_si256();
    for (std::size_t i = 0; i < n; i += 16) {
      const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + i));
      const __m256i y = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b + i));
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(x, y));
    }
    out[j] += reduce256(sum);
  }
}

__attribute__((target("avx2"))) std::int32_t largest256(__m256i most) {
  alignas(32) std::int16_t lanes[16];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), most);
  std::int32_t largest = 0;
  for (const std::int16_t lane : lanes) largest = largest > lane ? largest : lane;
  return largest;
}

__attribute__((target("avx2"))) std::int32_t halve_bytes_avx2(const std::uint8_t* a, std::uint8_t* out, std::size_t n) {
  const __m256i ones = _mm256_set1_epi8(1);
  __m256i most = _mm256_setzero_si256();
  for (std::size_t i = 0; i < n; i += 16) {
    const __m256i sum = _mm256_maddubs_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + 2 * i)), ones);
    most = _mm256_max_epi16(most, sum);
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi16(sum, sum), 0x08);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), _mm256_castsi256_si128(packed));
  }
  return largest256(most);
}

__attribute__((target("avx2"))) std::int32_t halve_to_words_avx2(const std::uint8_t* a, std::int16_t* out, std::size_t n) {
  const __m256i ones = _mm256_set1_epi8(1);
  __m256i most = _mm256_setzero_si256();
  for (std::size_t i = 0; i < n; i += 16) {
    const __m256i sum = _mm256_maddubs_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + 2 * i)), ones);
    most = _mm256_max_epi16(most, sum);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), sum);
  }
  return largest256(most);
}

__attribute__((target("avx2"))) std::int32_t halve_words_avx2(const std::int16_t* a, std::int16_t* out, std::size_t n) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i most = _mm256_setzero_si256();
  for (std::size_t i = 0; i < n; i += 16) {
    const __m256i low = _mm256_madd_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + 2 * i)), ones);
    const __m256i high = _mm256_madd_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + 2 * i + 16)), ones);
    const __m256i sum = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xD8);
    most = _mm256_max_epi16(most, _mm256_abs_epi16(sum));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), sum);
  }
  return largest256(most);
}

#define XPCS_AVX512 __attribute__((target("avx2,avx512f,avx512bw,avx512vnni")))

XPCS_AVX512 std::int64_t reduce512(__m512i v) {
  return _mm512_reduce_add_epi64(_mm512_add_epi64(_mm512_cvtepi32_epi64(_mm512_castsi512_si256(v)), _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(v, 1))));
}

/// Four lags at a time share the load of a.
XPCS_AVX512 void bytes_avx512(const std::uint8_t* a, std::size_t n, std::size_t first, std::size_t lags, std::int64_t* out) {
  for (std::size_t j = 0; j < lags; j += 4) {
    const std::size_t run = lags - j < 4 ? lags - j : 4;
    const std::uint8_t* b = a + first + j;
    for (std::size_t from = 0; from < n; from += 64 * kByteSteps) {
      const std::size_t to = n - from < 64 * kByteSteps ? n : from + 64 * kByteSteps;
      __m512i s0 = _mm512_setzero_si512();
      __m512i s1 = s0;
      __m512i s2 = s0;
      __m512i s3 = s0;
      for (std::size_t i = from; i < to; i += 64) {
        const __m512i x = _mm512_loadu_si512(a + i);
        s0 = _mm512_dpbusd_epi32(s0, x, _mm512_loadu_si512(b + i));
        s1 = _mm512_dpbusd_epi32(s1, x, _mm512_loadu_si512(b + i + 1));
        s2 = _mm512_dpbusd_epi32(s2, x, _mm512_loadu_si512(b + i + 2));
        s3 = _mm512_dpbusd_epi32(s3, x, _mm512_loadu_si512(b + i + 3));
      }
      const std::int64_t sums[4] = {reduce512(s0), reduce512(s1), reduce512(s2), reduce512(s3)};
      for (std::size_t k = 0; k < run; ++k) out[j + k] += sums[k];
    }
  }
}

XPCS_AVX512 void words_avx512(const std::int16_t* a, std::size_t n, std::size_t first, std::size_t lags, std::int64_t* out) {
  for (std::size_t j = 0; j < lags; j += 4) {
    const std::size_t run = lags - j < 4 ? lags - j : 4;
    const std::int16_t* b = a + first + j;
    __m512i s0 = _mm512_setzero_si512();
    __m512i s1 = s0;
    __m512i s2 = s0;
    __m512i s3 = s0;
    for (std::size_t i = 0; i < n; i += 32) {
      const __m512i x = _mm512_loadu_si512(a + i);
      s0 = _mm512_dpwssd_epi32(s0, x, _mm512_loadu_si512(b + i));
      s1 = _mm512_dpwssd_epi32(s1, x, _mm512_loadu_si512(b + i + 1));
      s2 = _mm512_dpwssd_epi32(s2, x, _mm512_loadu_si512(b + i + 2));
      s3 = _mm512_dpwssd_epi32(s3, x, _mm512_loadu_si512(b + i + 3));
    }
    const std::int64_t sums[4] = {reduce512(s0), reduce512(s1), reduce512(s2), reduce512(s3)};
    for (std::size_t k = 0; k < run; ++k) out[j + k] += sums[k];
  }
}

constexpr LagSums kAvx2{"avx2", bytes_avx2, words_avx2, halve_bytes_avx2, halve_to_words_avx2, halve_words_avx2};
// Halving moves as many bytes as it adds: wider registers gain nothing.
constexpr LagSums kAvx512{"avx512", bytes_avx512, words_avx512, halve_bytes_avx2, halve_to_words_avx2, halve_words_avx2};

#elif defined(__aarch64__)

// A lane of bytes_neon grows by at most 4 * 127^2 a step; a block of this many steps cannot overflow it.
constexpr std::size_t kByteSteps = 65536;

void bytes_neon(const std::uint8_t* a, std::size_t n, std::size_t first, std::size_t lags, std::int64_t* out) {
  for (std::size_t j = 0; j < lags; ++j) {
    const std::uint8_t* b = a + first + j;
    for (std::size_t from = 0; from < n; from += 16 * kByteSteps) {
      const std::size_t to = n - from < 16 * kByteSteps ? n : from + 16 * kByteSteps;
      uint32x4_t sum = vdupq_n_u32(0);
      for (std::size_t i = from; i < to; i += 16) {
        const uint8x16_t x = vld1q_u8(a + i);
        const uint8x16_t y = vld1q_u8(b + i);
        sum = vpadalq_u16(sum, vpaddq_u16(vmull_u8(vget_low_u8(x), vget_low_u8(y)), vmull_high_u8(x, y)));
      }
      out[j] += static_cast<std::int64_t>(vaddlvq_u32(sum));
    }
  }
}

/// Eight lanes in two registers: the bound of the header leaves each below 2^31.
void words_neon(const std::int16_t* a, std::size_t n, std::size_t first, std::size_t lags, std::int64_t* out) {
  for (std::size_t j = 0; j < lags; ++j) {
    const std::int16_t* b = a + first + j;
    int32x4_t low = vdupq_n_s32(0);
    int32x4_t high = low;
    for (std::size_t i = 0; i < n; i += 8) {
      const int16x8_t x = vld1q_s16(a + i);
      const int16x8_t y = vld1q_s16(b + i);
      low = vmlal_s16(low, vget_low_s16(x), vget_low_s16(y));
      high = vmlal_high_s16(high, x, y);
    }
    out[j] += vaddlvq_s32(low) + vaddlvq_s32(high);
  }
}

constexpr LagSums kNeon{"neon",
                        bytes_neon,
                        words_neon,
                        halve_portable<std::uint8_t, std::uint8_t>,
                        halve_portable<std::uint8_t, std::int16_t>,
                        halve_portable<std::int16_t, std::int16_t>};

#endif

}  // namespace

const LagSums* lag_sums_named(const char* name) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (std::strcmp(name, "avx512") == 0 && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni")) return &kAvx512;
  if (std::strcmp(name, "avx2") == 0 && __builtin_cpu_supports("avx2")) return &kAvx2;
#elif defined(__aarch64__)
  if (std::strcmp(name, "neon") == 0) return &kNeon;
#endif
  return std::strcmp(name, "portable") == 0 ? &kPortable : nullptr;
}

const LagSums& lag_sums() {
  static const LagSums& chosen = *fastest(lag_sums_named);
  return chosen;
}

}  // namespace xpcs

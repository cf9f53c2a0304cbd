#include "lag_sums.hpp"

#include <cstring>
#include <initializer_list>

#if defined(__x86_64__)
#include <immintrin.h>
// GCC 12 warns about its own AVX-512 headers (its bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

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

constexpr LagSums kPortable{"portable", portable<std::uint8_t>, portable<std::int16_t>};

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

constexpr LagSums kAvx2{"avx2", bytes_avx2, words_avx2};
constexpr LagSums kAvx512{"avx512", bytes_avx512, words_avx512};

#endif

const LagSums& choose() {
  for (const char* name : {"avx512", "avx2"}) {
    if (const LagSums* named = lag_sums_named(name)) return *named;
  }
  return kPortable;
}

}  // namespace

const LagSums* lag_sums_named(const char* name) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (std::strcmp(name, "avx512") == 0 && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni")) return &kAvx512;
  if (std::strcmp(name, "avx2") == 0 && __builtin_cpu_supports("avx2")) return &kAvx2;
#endif
  return std::strcmp(name, "portable") == 0 ? &kPortable : nullptr;
}

const LagSums& lag_sums() {
  static const LagSums& chosen = choose();
  return chosen;
}

}  // namespace xpcs

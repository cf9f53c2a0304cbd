// The peak of 8-bit integer multiply-adds on one thread: independent chains on registers, nothing from memory.
#include <algorithm>
#include <chrono>

#include "bounds.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace xpcs::bench {
namespace {

constexpr int kChains = 8;
constexpr std::uint64_t kSteps = 20'000'000;
/// Keeps the compiler from seeing what the chains hold, or that nobody needs it.
volatile int sink = 1;

struct Kernel {
  const char* path;
  double multiplyAddsPerStep;
  void (*run)(std::uint64_t steps);
};

#if defined(__x86_64__)
__attribute__((target("avx512f,avx512bw,avx512vnni"))) void run_avx512(std::uint64_t steps) {
  const __m512i a = _mm512_set1_epi8(static_cast<char>(sink));
  // Eight variables, not an array: an array would go through memory at every step.
  __m512i c0 = a, c1 = a, c2 = a, c3 = a, c4 = a, c5 = a, c6 = a, c7 = a;
  for (std::uint64_t i = 0; i < steps; ++i) {
    c0 = _mm512_dpbusd_epi32(c0, a, a);
    c1 = _mm512_dpbusd_epi32(c1, a, a);
    c2 = _mm512_dpbusd_epi32(c2, a, a);
    c3 = _mm512_dpbusd_epi32(c3, a, a);
    c4 = _mm512_dpbusd_epi32(c4, a, a);
    c5 = _mm512_dpbusd_epi32(c5, a, a);
    c6 = _mm512_dpbusd_epi32(c6, a, a);
    c7 = _mm512_dpbusd_epi32(c7, a, a);
    // The chains stay opaque, so that eight equal ones are not made one.
    asm volatile("" : "+v"(c0), "+v"(c1), "+v"(c2), "+v"(c3), "+v"(c4), "+v"(c5), "+v"(c6), "+v"(c7));
  }
  sink = _mm512_cvtsi512_si32(_mm512_add_epi32(_mm512_add_epi32(_mm512_add_epi32(c0, c1), _mm512_add_epi32(c2, c3)),
                                               _mm512_add_epi32(_mm512_add_epi32(c4, c5), _mm512_add_epi32(c6, c7))));
}

__attribute__((target("avx2"))) inline __m256i multiply_add_avx2(__m256i sum, __m256i a, __m256i one) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, a), one));
}

__attribute__((target("avx2"))) void run_avx2(std::uint64_t steps) {
  const __m256i one = _mm256_set1_epi16(1);
  __m256i a0 = _mm256_set1_epi8(static_cast<char>(sink)), a1 = a0, a2 = a0, a3 = a0;
  __m256i c0 = one, c1 = one, c2 = one, c3 = one;
  for (std::uint64_t i = 0; i < steps; i += 2) {
    for (int half = 0; half < 4; ++half) {
      // The factors stay opaque, so that their product is made anew at every step.
      asm volatile("" : "+x"(a0), "+x"(a1), "+x"(a2), "+x"(a3));
      c0 = multiply_add_avx2(c0, a0, one);
      c1 = multiply_add_avx2(c1, a1, one);
      c2 = multiply_add_avx2(c2, a2, one);
      c3 = multiply_add_avx2(c3, a3, one);
    }
  }
  sink = _mm_cvtsi128_si32(_mm256_castsi256_si128(_mm256_add_epi32(_mm256_add_epi32(c0, c1), _mm256_add_epi32(c2, c3))));
}
#endif

/// Whatever the compiler makes of it for the baseline instruction set.
void run_plain(std::uint64_t steps) {
  std::uint32_t c[64];
  std::uint8_t a[64];
  for (int k = 0; k < 64; ++k) c[k] = a[k] = static_cast<std::uint8_t>(sink + k);
  for (std::uint64_t i = 0; i < steps; ++i) {
    for (int k = 0; k < 64; ++k) c[k] += std::uint32_t{a[k]} * static_cast<std::uint8_t>(c[k]);
    asm volatile("" ::: "memory");
  }
  std::uint32_t total = 0;
  for (const auto value : c) total += value;
  sink = static_cast<int>(total);
}

Kernel best_kernel() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw")) return {"avx512vnni", 64.0 * kChains, run_avx512};
  if (__builtin_cpu_supports("avx2")) return {"avx2", 32.0 * kChains, run_avx2};
#endif
  return {"plain", 64.0, run_plain};
}

}  // namespace

MultiplyAddPeak measure_multiply_add() {
  const Kernel kernel = best_kernel();
  kernel.run(kSteps / 10);
  double best = 1e300;
  for (int pass = 0; pass < 5; ++pass) {
    const auto start = std::chrono::steady_clock::now();
    kernel.run(kSteps);
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return {kernel.path, kernel.multiplyAddsPerStep * static_cast<double>(kSteps) / best};
}

}  // namespace xpcs::bench

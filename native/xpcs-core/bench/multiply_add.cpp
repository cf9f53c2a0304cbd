// The peak of 8-bit integer multiply-adds on one thread: independent chains on registers, nothing from memory.
#include <algorithm>
#include <chrono>

#include "bounds.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace xpcs::bench {
namespace {

constexpr int kChains = 10;
constexpr std::uint64_t kSteps = 20'000'000;
/// Keeps the compiler from seeing what the chains hold, or that nobody needs it.
volatile int sink = 1;

struct Kernel {
  const char* path;
  double multiplyAddsPerStep;
  void (*run)(std::uint64_t steps);
};

#if defined(__x86_64__)
#define XPCS_BENCH_CHAINS(STEP)                          \
  for (std::uint64_t i = 0; i < steps; ++i) {            \
    for (int k = 0; k < kChains; ++k) STEP;              \
    asm volatile("" ::: "memory");                       \
  }

__attribute__((target("avx512f,avx512bw,avx512vnni"))) void run_avx512(std::uint64_t steps) {
  const __m512i a = _mm512_set1_epi8(static_cast<char>(sink));
  __m512i c[kChains];
  for (auto& chain : c) chain = a;
#pragma GCC unroll 10
  XPCS_BENCH_CHAINS(c[k] = _mm512_dpbusd_epi32(c[k], a, a))
  int total = 0;
  for (auto& chain : c) total += _mm512_cvtsi512_si32(chain);
  sink = total;
}

__attribute__((target("avx2"))) void run_avx2(std::uint64_t steps) {
  const __m256i one = _mm256_set1_epi16(1);
  __m256i c[kChains];
  __m256i a[kChains];
  for (int k = 0; k < kChains; ++k) a[k] = c[k] = _mm256_set1_epi8(static_cast<char>(sink + k));
  XPCS_BENCH_CHAINS(c[k] = _mm256_add_epi32(c[k], _mm256_madd_epi16(_mm256_maddubs_epi16(a[k], c[k]), one)))
  int total = 0;
  for (auto& chain : c) total += _mm256_cvtsi256_si32(_mm256_castsi256_si256(chain));
  sink = total;
}
#undef XPCS_BENCH_CHAINS
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

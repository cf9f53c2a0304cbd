#include "two_time_dense.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "vector_intrinsics.hpp"

#if defined(__x86_64__) && defined(__GNUC__)
#define XPCS_X86 1
#endif

namespace xpcs::twotime {
namespace {

/// Pixels per pass: two tiles of rows stay in the second-level cache, and a 32-bit sum cannot overflow.
constexpr std::size_t kBytePanel = 3072;
static_assert(kBytePanel * 127 * 127 < (1ull << 31));

bool left_out(const TileTask& task, std::size_t i, std::size_t j) { return task.diagonal && j + 4 <= i; }

/// One inner product of bytes.
[[gnu::always_inline]] inline std::int32_t dot_bytes(const std::uint8_t* a, const std::uint8_t* b, std::size_t n) {
  std::int32_t sum = 0;
  for (std::size_t k = 0; k < n; ++k) sum += static_cast<std::int16_t>(a[k]) * static_cast<std::int16_t>(b[k]);
  return sum;
}

[[gnu::always_inline]] inline void byte_tile_loop(const std::uint8_t* const* a, const std::uint8_t* const* b, const TileTask& task, double* out) {
  for (std::size_t k = task.from; k < task.to; k += kBytePanel) {
    const std::size_t n = std::min(kBytePanel, task.to - k);
    for (std::size_t i = 0; i < task.na; ++i) {
      for (std::size_t j = 0; j < task.nb; ++j) {
        if (!left_out(task, i, j)) out[i * kTile + j] += dot_bytes(a[i] + k, b[j] + k, n);
      }
    }
  }
}

void byte_tile_plain(const std::uint8_t* const* a, const std::uint8_t* const* b, const TileTask& task, double* out) { byte_tile_loop(a, b, task, out); }

/// One block of 4 rows x 8 columns of doubles: packed columns [n][8] against four rows; sums in the order of k.
using Lanes = double __attribute__((vector_size(64)));

[[gnu::always_inline]] inline void real_block(const double* const* a, std::size_t k, const Lanes* packed, std::size_t n, Lanes* sums) {
  Lanes s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
  for (std::size_t i = 0; i < n; ++i) {
    const Lanes column = packed[i];
    s0 += a[0][k + i] * column;
    s1 += a[1][k + i] * column;
    s2 += a[2][k + i] * column;
    s3 += a[3][k + i] * column;
  }
  sums[0] = s0;
  sums[1] = s1;
  sums[2] = s2;
  sums[3] = s3;
}

constexpr std::size_t kRealPanel = 256;

[[gnu::always_inline]] inline void real_tile_loop(const double* const* a, const double* const* b, const TileTask& task, double* out) {
  static const double kZeros[kRealPanel] = {};
  Lanes packed[kRealPanel];
  for (std::size_t k = task.from; k < task.to; k += kRealPanel) {
    const std::size_t n = std::min(kRealPanel, task.to - k);
    for (std::size_t j = 0; j < task.nb; j += 8) {
      for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t lane = 0; lane < 8; ++lane) packed[i][lane] = j + lane < task.nb ? b[j + lane][k + i] : 0.0;
      }
      for (std::size_t i = 0; i < task.na; i += 4) {
        if (task.diagonal && j + 8 <= i) continue;
        const double* rows[4];
        Lanes sums[4];
        for (std::size_t r = 0; r < 4; ++r) {
          rows[r] = i + r < task.na ? a[i + r] + k : kZeros;
          std::memcpy(&sums[r], out + (i + r) * kTile + j, sizeof(Lanes));
        }
        real_block(rows, 0, packed, n, sums);
        for (std::size_t r = 0; r < 4; ++r) std::memcpy(out + (i + r) * kTile + j, &sums[r], sizeof(Lanes));
      }
    }
  }
}

void real_tile_plain(const double* const* a, const double* const* b, const TileTask& task, double* out) { real_tile_loop(a, b, task, out); }

#ifdef XPCS_X86
__attribute__((target("avx2,fma"))) void byte_tile_avx2(const std::uint8_t* const* a, const std::uint8_t* const* b, const TileTask& task, double* out) {
  byte_tile_loop(a, b, task, out);
}
__attribute__((target("avx2,fma"))) void real_tile_avx2(const double* const* a, const double* const* b, const TileTask& task, double* out) {
  real_tile_loop(a, b, task, out);
}
__attribute__((target("avx512f,avx512dq"))) void real_tile_avx512(const double* const* a, const double* const* b, const TileTask& task, double* out) {
  real_tile_loop(a, b, task, out);
}

#define XPCS_VNNI __attribute__((target("avx512f,avx512bw,avx512vnni")))

XPCS_VNNI inline __m256i half_sums(const __m512i& v) { return _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1)); }

/// The sums of four vectors of 16.
XPCS_VNNI inline __m128i four_sums(const __m512i* v) {
  const __m256i sums = _mm256_hadd_epi32(_mm256_hadd_epi32(half_sums(v[0]), half_sums(v[1])), _mm256_hadd_epi32(half_sums(v[2]), half_sums(v[3])));
  return _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
}

/// Four rows against four, n a multiple of 64 except for the masked rest.
XPCS_VNNI void byte_block_vnni(const std::uint8_t* const* a, const std::uint8_t* const* b, std::size_t k, std::size_t n, double* out) {
  __m512i s[4][4];
  for (auto& row : s) {
    for (auto& sum : row) sum = _mm512_setzero_si512();
  }
  for (std::size_t at = 0; at < n; at += 64) {
    const __mmask64 mask = n - at >= 64 ? ~__mmask64{0} : (__mmask64{1} << (n - at)) - 1;
    __m512i columns[4];
    for (std::size_t j = 0; j < 4; ++j) columns[j] = _mm512_maskz_loadu_epi8(mask, b[j] + k + at);
    for (std::size_t i = 0; i < 4; ++i) {
      const __m512i row = _mm512_maskz_loadu_epi8(mask, a[i] + k + at);
      for (std::size_t j = 0; j < 4; ++j) s[i][j] = _mm512_dpbusd_epi32(s[i][j], row, columns[j]);
    }
  }
  for (std::size_t i = 0; i < 4; ++i) {
    alignas(16) std::int32_t sums[4];
    _mm_store_si128(reinterpret_cast<__m128i*>(sums), four_sums(s[i]));
    for (std::size_t j = 0; j < 4; ++j) out[i * kTile + j] += sums[j];
  }
}

void byte_tile_vnni(const std::uint8_t* const* a, const std::uint8_t* const* b, const TileTask& task, double* out) {
  for (std::size_t k = task.from; k < task.to; k += kBytePanel) {
    const std::size_t n = std::min(kBytePanel, task.to - k);
    for (std::size_t i = 0; i < task.na; i += 4) {
      const std::uint8_t* rows[4];
      for (std::size_t r = 0; r < 4; ++r) rows[r] = a[std::min(i + r, task.na - 1)];  // a surplus row's sums land in rows that nobody reads
      for (std::size_t j = 0; j < task.nb; j += 4) {
        if (left_out(task, i, j)) continue;
        const std::uint8_t* columns[4];
        for (std::size_t r = 0; r < 4; ++r) columns[r] = b[std::min(j + r, task.nb - 1)];
        byte_block_vnni(rows, columns, k, n, out + i * kTile + j);
      }
    }
  }
}
#endif

using ByteTile = void (*)(const std::uint8_t* const*, const std::uint8_t* const*, const TileTask&, double*);
using RealTile = void (*)(const double* const*, const double* const*, const TileTask&, double*);

struct Chosen {
  ByteTile bytes = byte_tile_plain;
  RealTile reals = real_tile_plain;
  const char* name = "portable";
  double productsPerNs = 4;
};

Chosen choose() {
  Chosen chosen;
#ifdef XPCS_X86
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) chosen = {byte_tile_avx2, real_tile_avx2, "avx2", 15};
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) chosen.reals = real_tile_avx512;
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni")) {
    chosen.bytes = byte_tile_vnni;
    chosen.name = "avx512-vnni";
    chosen.productsPerNs = 120;
  }
#endif
  return chosen;
}

const Chosen& chosen_kernels() {
  static const Chosen chosen = choose();
  return chosen;
}

}  // namespace

void add_products(const std::uint8_t* const* a, const std::uint8_t* const* b, const TileTask& task, double* out) { chosen_kernels().bytes(a, b, task, out); }
void add_products(const double* const* a, const double* const* b, const TileTask& task, double* out) { chosen_kernels().reals(a, b, task, out); }
void add_products_plain(const std::uint8_t* const* a, const std::uint8_t* const* b, const TileTask& task, double* out) { byte_tile_plain(a, b, task, out); }
const char* byte_kernel_name() noexcept { return chosen_kernels().name; }
double byte_products_per_ns() noexcept { return chosen_kernels().productsPerNs; }

}  // namespace xpcs::twotime

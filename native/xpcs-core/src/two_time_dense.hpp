// Inner products of whole rows (one row: all pixels of a group in one frame), tile by tile: bytes with the CPU's dot-product
// instructions where it has them, doubles otherwise. Which path runs is decided once, from the CPU.
#pragma once
#include <cstddef>
#include <cstdint>

namespace xpcs::twotime {

/// Rows of a tile in both directions.
constexpr std::size_t kTile = 128;

/// out[i * kTile + j] += sum over k in [from, to) of a[i][k] * b[j][k], for i < na, j < nb (both at most kTile). On a tile
/// of the diagonal, values left of it (j < i) may be left out: nobody looks at them.
struct TileTask {
  std::size_t na, nb, from, to;
  bool diagonal;
};

/// Counts 0 to 127; exact (sums below 2^53).
void add_products(const std::uint8_t* const* a, const std::uint8_t* const* b, const TileTask& task, double* out);
/// Real values; every sum in the order of k.
void add_products(const double* const* a, const double* const* b, const TileTask& task, double* out);

/// The byte kernel without the CPU's special instructions, for tests.
void add_products_plain(const std::uint8_t* const* a, const std::uint8_t* const* b, const TileTask& task, double* out);

/// Name of the byte kernel that this CPU takes, and its products per nanosecond, roughly: what sparse counting competes with.
const char* byte_kernel_name() noexcept;
double byte_products_per_ns() noexcept;

}  // namespace xpcs::twotime

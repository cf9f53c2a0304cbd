// The six modules of a Rigaku 3M: which file is which module, and where its pixels lie on the canvas.
#pragma once
#include <array>
#include <cstdint>

namespace xpcs {

constexpr std::uint32_t kModules = 6;
constexpr std::uint32_t kModuleRows = 512;
constexpr std::uint32_t kModuleColumns = 1024;
constexpr std::uint32_t kRowGap = 70;
constexpr std::uint32_t kColumnGap = 52;
constexpr std::uint32_t kCanvasRows = 3 * kModuleRows + 2 * kRowGap;     // 1676
constexpr std::uint32_t kCanvasColumns = 2 * kModuleColumns + kColumnGap;  // 2100
/// Some module files number their pixels from here on.
constexpr std::uint32_t kPixelBase = 1048576;

/// File suffix in each place of the canvas, row by row (3 rows of 2). @source boost_corr's reader of the 3M
constexpr std::array<std::uint32_t, kModules> kFileOfPlace{5, 0, 4, 1, 3, 2};

/// Canvas pixel of the first pixel of a file's module.
constexpr std::uint32_t module_origin(std::uint32_t file) noexcept {
  std::uint32_t place = 0;
  while (kFileOfPlace[place] != file) ++place;
  return place / 2 * (kModuleRows + kRowGap) * kCanvasColumns + place % 2 * (kModuleColumns + kColumnGap);
}

/// Canvas pixel of pixel k of the module that begins at `origin`.
constexpr std::uint32_t canvas_pixel(std::uint32_t origin, std::uint32_t k) noexcept {
  return origin + k / kModuleColumns * kCanvasColumns + k % kModuleColumns;
}

}  // namespace xpcs

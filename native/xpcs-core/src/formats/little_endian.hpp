// Unaligned little-endian loads. All formats here are little-endian; so are the machines we build for.
#pragma once
#include <bit>
#include <cstddef>
#include <cstring>
#include <span>

namespace xpcs {

static_assert(std::endian::native == std::endian::little, "the readers assume a little-endian machine");

/// The T at `offset`; the caller has checked that it is there.
template <class T>
T load(std::span<const std::byte> bytes, std::size_t offset) noexcept {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

}  // namespace xpcs

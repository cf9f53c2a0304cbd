// Which format a file is, from its first bytes. HDF5 has a signature; IMM headers and Rigaku streams are recognised by
// fields that cannot all be right by chance; UFXC has nothing to recognise.
#include <algorithm>
#include <array>
#include <cstring>

#include "little_endian.hpp"
#include "xpcs/frame_reader.hpp"

namespace xpcs {
namespace {

constexpr std::array<unsigned char, 8> kHdf5Signature{0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};

bool looks_like_imm(std::span<const std::byte> head) {
  if (head.size() < 1024) return false;
  const auto mode = load<std::int32_t>(head, 0);
  const auto compression = load<std::int32_t>(head, 4);
  const auto rows = load<std::int32_t>(head, 108);
  const auto cols = load<std::int32_t>(head, 112);
  const auto bytes = load<std::int32_t>(head, 116);
  const auto version = load<std::int32_t>(head, 616);
  const bool small = mode >= 0 && mode < 64 && compression >= 0 && compression < 64 && bytes >= 0 && bytes <= 8;
  const bool shape = rows >= 0 && cols >= 0 && rows < 65536 && cols < 65536;
  // The tail of the header is zero from byte 632 to 1011 in what the detectors write.
  const bool quietTail = std::all_of(head.begin() + 640, head.begin() + 1000, [](std::byte b) { return b == std::byte{0}; });
  return small && shape && quietTail && version > 0 && version < 256;
}

bool looks_like_rigaku(std::span<const std::byte> head, std::uint64_t size) {
  const std::size_t n = head.size() / 8;
  if (n == 0 || size > std::uint64_t{1} << 44) return false;
  std::uint64_t previous = 0;
  for (std::size_t j = 0; j < n; ++j) {
    const auto word = load<std::uint64_t>(head, 8 * j);
    const std::uint64_t frame = word >> 40;
    if ((word >> 37 & 7) != 0 || (word >> 12 & 0xF) != 0 || (word & 0xFFF) == 0 || frame < previous) return false;
    previous = frame;
  }
  return true;
}

}  // namespace

const char* format_name(Format format) noexcept {
  switch (format) {
    case Format::imm: return "imm";
    case Format::rigaku: return "rigaku";
    case Format::ufxc: return "ufxc";
    case Format::hdf5: return "hdf5";
    case Format::stream: return "stream";
  }
  return "?";
}

bool FrameReader::next(FrameBatch& batch) {
  if (!fetch(stored_)) {
    batch.clear();
    return false;
  }
  stored_->decode(batch);
  stored_->check();
  return true;
}

std::optional<Format> detect_format(const ByteSource& source) {
  std::vector<std::byte> head(4096);
  head.resize(source.read(0, head));
  if (head.size() >= 8 && std::memcmp(head.data(), kHdf5Signature.data(), 8) == 0) return Format::hdf5;
  if (looks_like_imm(head)) return Format::imm;
  if (looks_like_rigaku(head, source.size())) return Format::rigaku;
  return std::nullopt;
}

}  // namespace xpcs

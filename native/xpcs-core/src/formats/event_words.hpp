// Shared by the formats that are a bare stream of event words (Rigaku, UFXC): pixel order, and events that are decoded as they are
// fetched, since a word's frame depends on the words before.
#pragma once
#include <cstdint>
#include <memory>
#include <utility>

#include "xpcs/frame_reader.hpp"

namespace xpcs {

/// Row-major index of detector pixel number k (column-major: row = k mod height).
inline std::uint32_t row_major(std::uint32_t k, const ReaderOptions& options) noexcept {
  if (options.pixelOrder == PixelOrder::row_major) return k;
  return (k % options.height) * options.width + k / options.height;
}

class DecodedEvents final : public StoredFrames {
 public:
  void decode(FrameBatch& batch) override { std::swap(batch, events); }
  [[nodiscard]] std::uint64_t bytes() const override { return events.frame.size() * 16; }

  /// An empty batch to decode into.
  static FrameBatch& of(std::unique_ptr<StoredFrames>& stored) {
    if (stored == nullptr) stored = std::make_unique<DecodedEvents>();
    FrameBatch& events = static_cast<DecodedEvents&>(*stored).events;
    events.clear();
    return events;
  }

  FrameBatch events;
};

constexpr std::size_t kBatchWords = std::size_t{1} << 18;

}  // namespace xpcs

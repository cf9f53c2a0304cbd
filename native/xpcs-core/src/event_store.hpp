// The photons of one series, kept by tile of consecutive pixel ranks: appended in arrival order, 8 bytes each.
// A tile's photons fit in cache when they are sorted by pixel later, so no frame is ever dense.
#pragma once
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

namespace xpcs {

constexpr std::uint32_t kTileBits = 11;
constexpr std::uint32_t kTilePixels = 1u << kTileBits;

/// Append-only list in fixed blocks: no reallocation, no doubling.
template <class T>
class BlockList {
 public:
  static constexpr std::size_t kBlock = 1024;

  void push_back(const T& value) {
    if (size_ % kBlock == 0) blocks_.push_back(std::make_unique<T[]>(kBlock));
    blocks_.back()[size_ % kBlock] = value;
    ++size_;
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  template <class Visit>
  void for_each(Visit visit) const {
    std::size_t left = size_;
    for (const auto& block : blocks_) {
      const std::size_t n = left < kBlock ? left : kBlock;
      for (std::size_t i = 0; i < n; ++i) visit(block[i]);
      left -= n;
    }
  }

 private:
  std::vector<std::unique_ptr<T[]>> blocks_;
  std::size_t size_ = 0;
};

/// Integer counts. A count that does not fit 16 bits is kept aside, in order of arrival.
class IntegerTile {
 public:
  using Value = std::int64_t;

  void add(std::uint32_t frame, std::uint32_t local, std::int64_t count) {
    const bool small = count > kEscape && count <= std::numeric_limits<std::int16_t>::max();
    events_.push_back({frame, static_cast<std::uint16_t>(local), small ? static_cast<std::int16_t>(count) : kEscape});
    if (!small) large_.push_back(count);
  }
  [[nodiscard]] std::size_t size() const noexcept { return events_.size(); }

  /// visit(frame, local rank, count) in order of arrival.
  template <class Visit>
  void for_each(Visit visit) const {
    std::size_t large = 0;
    events_.for_each([&](const Packed& event) {
      const std::int64_t count = event.count == kEscape ? large_[large++] : std::int64_t{event.count};
      visit(event.frame, std::uint32_t{event.local}, count);
    });
  }

 private:
  static constexpr std::int16_t kEscape = std::numeric_limits<std::int16_t>::min();
  struct Packed {
    std::uint32_t frame;
    std::uint16_t local;
    std::int16_t count;
  };
  static_assert(sizeof(Packed) == 8 && kTilePixels <= 65536);
  BlockList<Packed> events_;
  std::vector<std::int64_t> large_;
};

/// Real values (dark-subtracted counts).
class RealTile {
 public:
  using Value = double;

  void add(std::uint32_t frame, std::uint32_t local, double value) { events_.push_back({frame, local, value}); }
  [[nodiscard]] std::size_t size() const noexcept { return events_.size(); }

  template <class Visit>
  void for_each(Visit visit) const {
    events_.for_each([&](const Packed& event) { visit(event.frame, event.local, event.value); });
  }

 private:
  struct Packed {
    std::uint32_t frame;
    std::uint32_t local;
    double value;
  };
  BlockList<Packed> events_;
};

}  // namespace xpcs

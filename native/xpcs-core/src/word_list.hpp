// Photons of one tile in the order of their frames, packed as in event_store.hpp, any number of frames: what a stream keeps of a tile
// beside the batches of all tiles.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "event_store.hpp"

namespace xpcs {

/// Some photons of one tile that share a base, with the interface of an IntegerBatch.
struct TileWords {
  std::uint32_t first;
  std::span<const std::uint32_t> word;
  std::span<const std::int64_t> aside;

  [[nodiscard]] std::uint32_t base() const noexcept { return first; }
  [[nodiscard]] std::span<const std::uint32_t> words(std::size_t /*tile*/) const noexcept { return word; }
  [[nodiscard]] std::span<const std::int64_t> large(std::size_t /*tile*/) const noexcept { return aside; }
  /// visit(frame, local rank, count)
  template <class Visit>
  void for_each(std::size_t /*tile*/, Visit visit) const {
    std::size_t next = 0;
    for (const std::uint32_t w : word) {
      const std::uint32_t count = w & IntegerBatch::kEscape;
      visit(first + (w >> IntegerBatch::kFrameShift), w >> IntegerBatch::kRankShift & (kTilePixels - 1), count == IntegerBatch::kEscape ? aside[next++] : std::int64_t{count});
    }
  }
};

class WordList {
 public:
  /// Not before the frame of the last one.
  void append(std::uint32_t frame, std::uint32_t local, std::int64_t count) {
    if (parts_.empty() || frame - parts_.back().base >= IntegerBatch::kFrames) {
      parts_.push_back({frame, static_cast<std::uint32_t>(words_.size()), static_cast<std::uint32_t>(large_.size())});
    }
    std::uint32_t packed = static_cast<std::uint32_t>(count);
    if (static_cast<std::uint64_t>(count) >= IntegerBatch::kEscape) {
      packed = IntegerBatch::kEscape;
      grow(large_, 1);
      large_.push_back(count);
    }
    grow(words_, 1);
    words_.push_back((frame - parts_.back().base) << IntegerBatch::kFrameShift | local << IntegerBatch::kRankShift | packed);
  }
  /// The batch's photons of a tile, none of them before the frame of the last one here.
  void append(const IntegerBatch& batch, std::size_t tile) {
    const std::span<const std::uint32_t> words = batch.words(tile);
    if (words.empty()) return;
    if (parts_.empty() || batch.base() < parts_.back().base || batch.last_frame() - parts_.back().base >= IntegerBatch::kFrames) {
      parts_.push_back({batch.base(), static_cast<std::uint32_t>(words_.size()), static_cast<std::uint32_t>(large_.size())});
    }
    const std::uint32_t later = (batch.base() - parts_.back().base) << IntegerBatch::kFrameShift;
    grow(words_, words.size());
    for (const std::uint32_t word : words) words_.push_back(word + later);
    const std::span<const std::int64_t> large = batch.large(tile);
    if (large.empty()) return;
    grow(large_, large.size());
    large_.insert(large_.end(), large.begin(), large.end());
  }
  [[nodiscard]] std::size_t size() const noexcept { return words_.size(); }
  [[nodiscard]] std::size_t bytes() const noexcept {
    return words_.capacity() * sizeof words_[0] + large_.capacity() * sizeof large_[0] + parts_.capacity() * sizeof(Part);
  }
  [[nodiscard]] std::vector<TileWords> parts() const {
    std::vector<TileWords> out;
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      const bool last = i + 1 == parts_.size();
      const std::size_t end = last ? words_.size() : parts_[i + 1].word;
      const std::size_t endLarge = last ? large_.size() : parts_[i + 1].large;
      out.push_back({parts_[i].base, std::span(words_).subspan(parts_[i].word, end - parts_[i].word), std::span(large_).subspan(parts_[i].large, endLarge - parts_[i].large)});
    }
    return out;
  }
  /// visit(frame, local rank, count), in order.
  template <class Visit>
  void for_each(Visit visit) const {
    for (const TileWords& part : parts()) part.for_each(0, visit);
  }

 private:
  struct Part {
    std::uint32_t base, word, large;  ///< the first frame; where it begins
  };
  /// Room for n more, little more than is needed.
  template <class T>
  static void grow(std::vector<T>& values, std::size_t n) {
    if (values.size() + n > values.capacity()) values.reserve(values.size() + std::max(values.size() / 4 + 8, n));
  }

  std::vector<Part> parts_;
  std::vector<std::uint32_t> words_;
  std::vector<std::int64_t> large_;
};

}  // namespace xpcs

// What a stream keeps of one level of a tile from one part to the next: the settled blocks that later ones still meet, and those
// that wait. The rows of lane_sums.hpp, sixteen pixels side by side, in the narrowest form that holds them.
#pragma once
#include <cstdint>
#include <cstring>
#include <vector>

#include "lane_sums.hpp"
#include "stream_scheme.hpp"

namespace xpcs {

class KeptLevel {
 public:
  enum class Form { bytes, words, ints, longs };

  KeptLevel() = default;
  KeptLevel(Form form, std::uint32_t groups, std::uint32_t lagMax) : form_(form), groups_(groups), lagMax_(lagMax), data_(groups * group_bytes(), 0) {}

  [[nodiscard]] Form form() const noexcept { return form_; }
  [[nodiscard]] static std::size_t per_row(Form form) noexcept { return form == Form::bytes ? kBytesPerRow : form == Form::words ? kWordsPerRow : 1; }
  [[nodiscard]] static std::size_t element_bytes(Form form) noexcept { return form == Form::bytes ? 1 : form == Form::words ? 2 : form == Form::ints ? 4 : 8; }
  [[nodiscard]] std::size_t carry_rows() const noexcept { return (lagMax_ - 1) / per_row(form_) + 1; }
  [[nodiscard]] std::size_t rows() const noexcept { return carry_rows() + StreamScheme::kWaiting / per_row(form_); }
  [[nodiscard]] std::size_t group_bytes() const noexcept { return rows() * kLanes * per_row(form_) * element_bytes(form_); }
  /// The rows of sixteen pixels.
  [[nodiscard]] std::uint8_t* group(std::uint32_t group) noexcept { return data_.data() + group * group_bytes(); }
  [[nodiscard]] const std::uint8_t* group(std::uint32_t group) const noexcept { return data_.data() + group * group_bytes(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return data_.capacity(); }
  [[nodiscard]] static std::size_t bytes_max(Form form, std::uint32_t lagMax) noexcept { return element_bytes(form) * (lagMax + StreamScheme::kWaiting); }

  /// @param block counted from the first that is not settled: -lagMax to kWaiting - 1
  [[nodiscard]] std::int64_t get(std::int64_t block, std::uint32_t pixel) const noexcept {
    const std::uint8_t* at = data_.data() + place(block, pixel);
    if (form_ == Form::bytes) return *at;
    if (form_ == Form::words) return load<std::uint16_t>(at);
    return form_ == Form::ints ? load<std::int32_t>(at) : load<std::int64_t>(at);
  }
  /// Takes a wider form where the count needs it.
  void set(std::int64_t block, std::uint32_t pixel, std::int64_t count) {
    if (!holds(form_, count)) widen(holds(Form::words, count) ? Form::words : holds(Form::ints, count) ? Form::ints : Form::longs);
    std::uint8_t* at = data_.data() + place(block, pixel);
    if (form_ == Form::bytes) *at = static_cast<std::uint8_t>(count);
    else if (form_ == Form::words) store(at, static_cast<std::uint16_t>(count));
    else if (form_ == Form::ints) store(at, static_cast<std::int32_t>(count));
    else store(at, count);
  }
  void widen(Form form) {
    if (form <= form_) return;
    KeptLevel wider(form, groups_, lagMax_);
    for (std::uint32_t pixel = 0; pixel < groups_ * kLanes; ++pixel) {
      for (std::int64_t block = -std::int64_t{lagMax_}; block < StreamScheme::kWaiting; ++block) wider.set(block, pixel, get(block, pixel));
    }
    *this = std::move(wider);
  }
  /// totals[pixel] -= the block's count.
  template <class Total>
  void subtract(std::int64_t block, Total* totals) const {
    if (form_ == Form::bytes) subtract_as<std::uint8_t, kBytesPerRow>(block, totals);
    if (form_ == Form::words) subtract_as<std::uint16_t, kWordsPerRow>(block, totals);
    if (form_ == Form::ints) subtract_as<std::int32_t, 1>(block, totals);
    if (form_ == Form::longs) subtract_as<std::int64_t, 1>(block, totals);
  }

 private:
  static bool holds(Form form, std::int64_t count) noexcept {
    if (form == Form::bytes) return count >= 0 && count <= kLaneByteMax;
    if (form == Form::words) return count >= 0 && count <= kLaneWordMax;
    return form == Form::longs || (count >= INT32_MIN && count <= INT32_MAX);
  }
  template <class T>
  static T load(const std::uint8_t* at) noexcept {
    T value;
    std::memcpy(&value, at, sizeof value);
    return value;
  }
  template <class T>
  static void store(std::uint8_t* at, T value) noexcept {
    std::memcpy(at, &value, sizeof value);
  }
  template <class Element, std::size_t per, class Total>
  void subtract_as(std::int64_t block, Total* totals) const {
    for (std::uint32_t group = 0; group < groups_; ++group) {
      const std::uint8_t* at = data_.data() + place(block, group * kLanes);
      for (std::size_t lane = 0; lane < kLanes; ++lane) totals[group * kLanes + lane] -= static_cast<Total>(load<Element>(at + lane * per * sizeof(Element)));
    }
  }
  [[nodiscard]] std::size_t place(std::int64_t block, std::uint32_t pixel) const noexcept {
    const std::size_t per = per_row(form_);
    const auto at = static_cast<std::size_t>(block + static_cast<std::int64_t>(carry_rows() * per));
    return group_bytes() * (pixel / kLanes) + ((at / per * kLanes + pixel % kLanes) * per + at % per) * element_bytes(form_);
  }

  Form form_ = Form::bytes;
  std::uint32_t groups_ = 0;
  std::uint32_t lagMax_ = 1;
  std::vector<std::uint8_t> data_;
};

}  // namespace xpcs

// The levels of one pixel as contiguous series of small integers: bytes while every element is at most 127, then 16-bit
// words, then 64-bit integers. The sums are the same integers whichever form holds them.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "lag_sums.hpp"
#include "scheme.hpp"

namespace xpcs {

class SeriesKernel {
 public:
  explicit SeriesKernel(const LagSums& sums = lag_sums()) : sums_(&sums) {}

  /// Correlates from `level` on. Entries: block t[i] of that level holds v[i], distinct blocks, any sign.
  /// @param acc [D]; requires that the magnitudes of v add up to less than 2^31
  template <class Value>
  void add(const Scheme& scheme, std::uint32_t level, std::span<const std::uint32_t> t, std::span<const Value> v, std::int64_t* acc) {
    std::int64_t largest = 0;
    bool negative = false;
    for (const Value value : v) {
      largest = std::max<std::int64_t>(largest, value < 0 ? -std::int64_t{value} : std::int64_t{value});
      negative = negative || value < 0;
    }
    const std::size_t n = scheme.blocks(level);
    const Form form = form_for(largest, negative, n);
    const auto fill = [&](auto& series) {
      using Element = std::remove_reference_t<decltype(series[0])>;
      clear(series, n + lag_padding(scheme.lag_max()));
      for (std::size_t i = 0; i < t.size(); ++i) {
        if (t[i] < n) series[t[i]] = static_cast<Element>(v[i]);
      }
    };
    if (form == Form::bytes) fill(bytes_);
    if (form == Form::words) fill(words_);
    if (form == Form::wide) fill(wide_);
    walk(scheme, level, form, largest, negative, acc);
  }

  /// Correlates a whole series of counts 0..127 from level 0 on; `series` has its padding of zeros and is destroyed.
  void add_bytes(const Scheme& scheme, std::vector<std::uint8_t>& series, std::int64_t* acc) {
    bytes_.swap(series);
    const auto largest = *std::max_element(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(scheme.frames));
    walk(scheme, 0, Form::bytes, largest, false, acc);
    bytes_.swap(series);
  }

 private:
  enum class Form { bytes, words, wide };

  /// The narrowest form that holds elements up to `largest` and keeps the sums of n products within their lanes.
  static Form form_for(std::int64_t largest, bool negative, std::size_t n) {
    if (largest <= 127 && !negative) return Form::bytes;
    const bool fits = largest <= 32767 && static_cast<double>(largest) * static_cast<double>(largest) * static_cast<double>(n) < 17179869184.0;
    return fits ? Form::words : Form::wide;
  }

  template <class Element>
  static void clear(std::vector<Element>& series, std::size_t n) {
    if (series.size() < n) series.resize(n);
    std::fill(series.begin(), series.begin() + static_cast<std::ptrdiff_t>(n), Element{0});
  }

  void walk(const Scheme& scheme, std::uint32_t level, Form form, std::int64_t largest, bool negative, std::int64_t* acc) {
    for (;; ++level) {
      const std::size_t n = scheme.blocks(level);
      const std::size_t at = scheme.first_delay(level);
      const std::size_t lags = scheme.delays_at(level);
      if (lags > 0) {
        const std::size_t first = scheme.delays[at].lag;
        if (form == Form::bytes) sums_->bytes(bytes_.data(), n, first, lags, acc + at);
        if (form == Form::words) sums_->words(words_.data(), n, first, lags, acc + at);
        if (form == Form::wide) wide_sums(n, first, lags, acc + at);
      }
      if (level + 1 >= scheme.levels) return;
      form = halve(form, largest, negative, scheme.blocks(level + 1), n + lag_padding(scheme.lag_max()));
    }
  }

  void wide_sums(std::size_t n, std::size_t first, std::size_t lags, std::int64_t* out) const {
    for (std::size_t j = 0; j < lags; ++j) {
      for (std::size_t i = 0; i < n; ++i) out[j] += wide_[i] * wide_[i + first + j];
    }
  }

  /// Adds neighbours into the next level's n blocks; what is behind them, up to `used`, becomes zero. Updates the largest
  /// magnitude and returns the form, chosen before the sums are known: from twice the largest.
  Form halve(Form form, std::int64_t& largest, bool negative, std::size_t n, std::size_t used) {
    const Form next = std::max(form, form_for(2 * largest, negative, n));
    const auto zero_tail = [&](auto& series) {
      using Element = std::remove_reference_t<decltype(series[0])>;
      std::fill(series.begin() + static_cast<std::ptrdiff_t>(n), series.begin() + static_cast<std::ptrdiff_t>(used), Element{0});
    };
    const auto widen = [&](const auto& from) {
      clear(wide_, used);
      for (std::size_t i = 0; i < n; ++i) wide_[i] = std::int64_t{from[2 * i]} + std::int64_t{from[2 * i + 1]};
      largest *= 2;
    };
    if (next == Form::bytes) {
      largest = sums_->halve_bytes(bytes_.data(), bytes_.data(), n);
      zero_tail(bytes_);
    } else if (form == Form::bytes && next == Form::words) {
      if (words_.size() < used) words_.resize(used);
      largest = sums_->halve_to_words(bytes_.data(), words_.data(), n);
      zero_tail(words_);
    } else if (next == Form::words) {
      largest = sums_->halve_words(words_.data(), words_.data(), n);
      zero_tail(words_);
    } else if (form == Form::bytes) {
      widen(bytes_);
    } else if (form == Form::words) {
      widen(words_);
    } else {
      for (std::size_t i = 0; i < n; ++i) wide_[i] = wide_[2 * i] + wide_[2 * i + 1];
      zero_tail(wide_);
    }
    return next;
  }

  const LagSums* sums_;
  std::vector<std::uint8_t> bytes_;
  std::vector<std::int16_t> words_;
  std::vector<std::int64_t> wide_;
};

}  // namespace xpcs

#include "db/sql_text.hpp"

#include <gtest/gtest.h>

#include "support/error_of.hpp"

namespace mk::db {
namespace {

using Statements = std::vector<std::string>;

TEST(SqlText, IsCutAtSemicolons) {
    EXPECT_EQ(split_statements("SELECT 1;\nSELECT 2;\n"), (Statements{"SELECT 1", "SELECT 2"}));
    EXPECT_EQ(split_statements("SELECT 1"), Statements{"SELECT 1"});
    EXPECT_EQ(split_statements(" ;\n; "), Statements{});
    EXPECT_EQ(split_statements(""), Statements{});
}

TEST(SqlText, CommentsAreLeftOut) {
    EXPECT_EQ(split_statements("-- one; two\nSELECT 1 -- why;\n, 2; /* it's; over */ SELECT/**/3 -- end"),
              (Statements{"SELECT 1 \n, 2", "SELECT 3"}));
    EXPECT_EQ(split_statements("-- nothing else"), Statements{});
}

TEST(SqlText, QuotesHideEverything) {
    EXPECT_EQ(split_statements("SELECT 'a;--b''c/*', \";\"; SELECT 2"),
              (Statements{"SELECT 'a;--b''c/*', \";\"", "SELECT 2"}));
}

TEST(SqlText, WhatDoesNotEndIsRefused) {
    for (const char* text : {"SELECT 'a", "SELECT \"a", "SELECT 1 /* a"}) {
        EXPECT_EQ(test::code_of([&] { split_statements(text); }), ErrorCode::invalid) << text;
    }
}

}  // namespace
}  // namespace mk::db
